# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate segmentation`: mean intersection over union of a segmentation model on a data set."""

import typer

from .evaluate import (
    FlipTest,
    NumImages,
    NumPictures,
    TightWindows,
    Window,
    begin_evaluation,
    summarize,
    take_first,
    with_window,
)
from .messages import plain_errors
from .options import (
    BatchSize,
    Data,
    Device,
    Dtype,
    ModelName,
    OutputFolder,
    Overwrite,
    Protocol,
    Split,
    SplitFile,
)

WINDOW_SIZE = 256  # docs/specification.md 6.3


def evaluate_segmentation(
    model: ModelName,
    data: Data,
    out: OutputFolder,
    split: Split = "val",
    split_file: SplitFile = None,
    protocol: Protocol = None,
    num_images: NumImages = None,
    window: Window = None,
    batch_size: BatchSize = 16,
    flip_test: FlipTest = False,
    tight_windows: TightWindows = False,
    num_pictures: NumPictures = 4,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Segmentation: mean IoU in percent from pixel counts of the whole data set. Protocols: ade20k, voc, loveda, folder.

    \b
    Example:
      pixio-hf evaluate segmentation --model runs/ade20k/model --data ADEChallengeData2016 --out results
    """
    with plain_errors(model, extra="demo" if num_pictures else None):
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
        from pixio_hf.data.labelled.distance_classes import DISTANCE_CLASSES, DistanceClasses
        from pixio_hf.data.labelled.segmentation_datasets import open_segmentation_dataset
        from pixio_hf.evaluation import segmentation as evaluation
        from pixio_hf.evaluation.prediction import PredictionOptions
        from pixio_hf.evaluation.processes import num_processes, process_index
        from pixio_hf.evaluation.result_files import OnFailure, write_results
        from pixio_hf.evaluation.results import build_report
        from pixio_hf.modeling_pixio_dense import PixioForSemanticSegmentation
        from pixio_hf.synthetic import find_scene_set
        from pixio_hf.visualization.worst_cases import draw_segmentation_evaluation

        from .loading import load_model

        source = find_checkpoint(model)
        config = begin_evaluation(source, out, overwrite)
        options = PredictionOptions(batch_size=batch_size, flip_test=flip_test, tight_windows=tight_windows)
        options = with_window(options, window, config.window_size or WINDOW_SIZE, config.patch_size)
        # A user's own folder has no class names; the model may have some.
        names = [config.id2label[index] for index in range(config.num_labels)]
        if find_scene_set(data):
            if names != list(DISTANCE_CLASSES):
                raise ValueError(
                    f"{data} has the classes {', '.join(DISTANCE_CLASSES)}; the model has {', '.join(names)}."
                )
            scenes = open_depth_dataset(data, split, num_scenes=num_images or 512, image_size=config.image_size)
            items, rules = DistanceClasses(scenes), None
        else:
            items, judged = open_segmentation_dataset(
                data, split, protocol=protocol, split_file=split_file, num_classes=config.num_labels
            )
            names, rules = (names if judged.name == "folder" else list(judged.class_names)), judged.name
        items = take_first(items, num_images)
        loaded = load_model(PixioForSemanticSegmentation, source, device, dtype, "segmentation head")
        result = evaluation.evaluate_segmentation(loaded.model, loaded.processor, items, options)
        settings = {"model": model, "data": data, "dtype": dtype, "split": split, "protocol": rules}
        settings["images"] = options.describe()
        report = build_report("segmentation", settings, result.metrics, result.seconds, num_processes())

        def draw(on_failure: OnFailure) -> dict[str, bytes]:
            drawn = (loaded.model, loaded.processor, items, result.rows, options, names)
            return draw_segmentation_evaluation(*drawn, num_pictures, on_failure)

        if process_index() == 0:
            write_results(out, report, result.rows, draw if num_pictures else None, names)
    typer.echo(summarize(report, out))
