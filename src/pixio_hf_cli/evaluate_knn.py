# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate knn`: accuracy of an encoder by a vote of the nearest training images."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from .evaluate import NumImages, begin_evaluation, summarize, take_first
from .messages import plain_errors
from .options import BatchSize, Device, Dtype, ModelName, OutputFolder, Overwrite


def evaluate_knn(
    train: Annotated[str, typer.Option(metavar="DIR", help="Training images: a folder per class.")],
    test: Annotated[str, typer.Option(metavar="DIR", help="Test images: a folder per class, named as in --train.")],
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    num_neighbors: Annotated[
        list[int] | None,
        typer.Option(
            "--k",
            metavar="K",
            min=1,
            help="Neighbours that vote; repeat it for several [default: those of 10, 20, 100, 200 that the training"
            " images suffice for].",
        ),
    ] = None,
    num_images: NumImages = None,
    batch_size: BatchSize = 128,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """k-NN: top-1 and top-5 accuracy of a weighted vote of the nearest training images, without any training.

    \b
    Example:
      pixio-hf evaluate knn --model pixio-tiny --train flowers/train --test flowers/test --k 10 --out results
    """
    with plain_errors(model):
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.data.labelled.image_labels import open_image_labels
        from pixio_hf.evaluation import knn as evaluation
        from pixio_hf.evaluation.processes import num_processes, process_index
        from pixio_hf.evaluation.result_files import write_results
        from pixio_hf.evaluation.results import build_report
        from pixio_hf.modeling_pixio import PixioModel

        from .loading import load_model

        source = find_checkpoint(model)
        config = begin_evaluation(source, out, overwrite)
        train_items, names = open_image_labels(train, None)
        test_items, _ = open_image_labels(test, None, class_names=names)
        test_items = take_first(test_items, num_images)
        if not num_neighbors:
            num_neighbors = choose_neighbors(train_items["label"])
        elif max(num_neighbors) > len(train_items):
            raise ValueError(
                f"--k {max(num_neighbors)} needs as many training images; there are {len(train_items)}. Give a smaller"
                " --k, or none to have it chosen."
            )
        loaded = load_model(PixioModel, source, device, dtype, "encoder")
        sets = (train_items, test_items, num_neighbors)
        result = evaluation.evaluate_knn(
            loaded.model, loaded.processor, *sets, batch_size=batch_size, num_classes=len(names)
        )
        settings = {"model": model, "data": test, "dtype": dtype, "train": train}
        settings |= {"image_size": config.image_size, "temperature": 0.07}
        report = build_report("k-NN classification", settings, result.metrics, result.seconds, num_processes())
        if process_index() == 0:
            rows = [
                {
                    "index": row["index"],
                    "class": names[row["label"]],
                    **{f"rank_k{k}": rank for k, rank in zip(num_neighbors, row["ranks"], strict=True)},
                }
                for row in result.rows
            ]
            write_results(out, report, rows)
    typer.echo(summarize(report, out))


def choose_neighbors(labels: Sequence[int]) -> list[int]:
    """Every k of the protocol that the training set is large enough for, else one for a small set; prints them.

    Below ten images k is the size of the smallest class: with more, larger classes would win every vote.
    """
    from tqdm.auto import tqdm

    from pixio_hf.evaluation.processes import process_index
    from pixio_hf.metrics.knn import NUM_NEIGHBORS

    fitting = [k for k in NUM_NEIGHBORS if k <= len(labels)]
    chosen = fitting or [min(Counter(labels).values())]
    if len(fitting) < len(NUM_NEIGHBORS) and process_index() == 0:
        shown, asked = (", ".join(map(str, numbers)) for numbers in (chosen, NUM_NEIGHBORS))
        tqdm.write(f"k = {shown}: {len(labels)} training images are too few for all of {asked} (--k chooses).")
    return chosen
