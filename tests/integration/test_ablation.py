# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The ablation script: equal budgets, the frozen protocol, interrupted tables, and what the report says."""

import csv
import json
import math
import sys
from itertools import pairwise
from types import ModuleType

import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioForPreTraining, PixioImageProcessor
from pixio_hf.training.monitoring import pretraining_flops
from tests.integration.test_examples import EXAMPLES, load_script, run_script
from tests.tiny_models import randomize_weights, tiny_config

ABLATION = EXAMPLES / "ablation" / "ablation.py"


@pytest.fixture(scope="module")
def ablation():
    """The script as a module, with the modules beside it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ABLATION.parent))
        yield load_script(ABLATION)
        for name in ("ablation_data", "ablation_probes", "ablation_report", "ablation_settings"):
            sys.modules.pop(name, None)


@pytest.fixture
def report(ablation) -> ModuleType:
    return sys.modules["ablation_report"]


@pytest.fixture
def probes(ablation) -> ModuleType:
    return sys.modules["ablation_probes"]


@pytest.fixture
def data(ablation) -> ModuleType:
    return sys.modules["ablation_data"]


@pytest.mark.parametrize("setting", ["rooms", "photographs"])
def test_each_variant_makes_one_change_to_the_one_before(ablation, setting):
    variants = ablation.SETTINGS[setting].variants
    ladder = [variants[name] for name in ("mae", "deep_decoder", "block_masks", "pixio")]
    changed = [{key for key in after if after[key] != before[key]} for before, after in pairwise(ladder)]
    assert changed == [{"decoder_num_hidden_layers"}, {"mask_grid_size"}, {"n_cls_tokens"}]
    assert ladder[0]["mask_grid_size"] == ladder[0]["n_cls_tokens"] == 1
    # A quarter as deep, as in the paper.
    assert 4 * ladder[0]["decoder_num_hidden_layers"] == ladder[1]["decoder_num_hidden_layers"]
    assert variants["mae_equal_flops"] == variants["random"] == ladder[0]
    assert ladder[-1]["mask_grid_size"] == 2
    assert ladder[-1]["n_cls_tokens"] == 8


def test_photographs_have_the_grid_and_the_blocks_of_the_paper(ablation):
    setting = ablation.SETTINGS["photographs"]
    config = PixioConfig(**setting.sizes, **setting.variants["pixio_released"])
    assert config.patch_grid_size == 16
    assert (config.mask_grid_size, config.n_cls_tokens) == (4, 8)
    assert setting.variants["pixio_released"] == {**setting.variants["pixio"], "mask_grid_size": 4}


@pytest.mark.parametrize("setting", ["rooms", "photographs"])
@pytest.mark.parametrize("name", ["mae", "deep_decoder", "block_masks", "pixio"])
def test_flops_of_the_table_are_those_that_torch_counts(ablation, setting, name):
    sizes, variants, _ = ablation.SETTINGS[setting]
    config = PixioConfig(**sizes, **variants[name])
    with FlopCounterMode(display=False) as counter:
        PixioForPreTraining(config)(torch.zeros(2, 3, config.image_size, config.image_size)).loss.backward()
    assert counter.get_total_flops() == 2 * pretraining_flops(config)


def test_budgets(ablation):
    args = ablation.AblationArguments(output_dir="unused")
    sizes, variants, _ = ablation.SETTINGS["rooms"]
    steps = {name: ablation.count_steps(name, args) for name in variants}
    budget = args.num_steps
    longer = steps.pop("mae_equal_flops")
    expected = dict.fromkeys(("mae", "deep_decoder", "block_masks", "pixio"), budget)
    assert steps == {"random": 0, **expected}
    cost = {name: pretraining_flops(PixioConfig(**sizes, **variants[name])) for name in ("mae", "pixio")}
    assert longer > budget
    assert abs(longer * cost["mae"] - budget * cost["pixio"]) <= cost["mae"] / 2


@pytest.mark.parametrize("head_type", ["linear", "dpt"])
def test_frozen_features_give_the_depth_of_the_whole_model(probes, head_type):
    model = randomize_weights(PixioForDepthEstimation(tiny_config(head_type=head_type)))
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    tokens = probes.encode(model.pixio, images, batch_size=2)[-probes.NUM_TAPS[head_type] :]
    with torch.no_grad():
        predicted = probes.predict_depth(model.head, tokens, model.config)
        expected = model(**PixioImageProcessor(do_resize=False)(images, return_tensors="pt")).predicted_depth
    torch.testing.assert_close(predicted, expected, rtol=1e-5, atol=1e-5)
    head = probes.build_head(head_type, model.config)
    assert type(head) is type(model.head)
    assert head.load_state_dict(model.head.state_dict())


@pytest.mark.parametrize("mixed_precision", ["no", "bf16"])
def test_a_head_learns_what_the_tokens_hold(ablation, probes, mixed_precision):
    """Depth that a linear head made of random tokens is found again by another one.

    In bfloat16, too: autocast keeps casts of weights, and a head that trains inside of it would go on with its first ones.
    """
    torch.manual_seed(0)
    config = tiny_config(n_cls_tokens=1)
    tokens = [torch.randn(64, 1 + 16, config.hidden_size)]
    teacher, head = (probes.build_head("linear", config) for _ in range(2))
    with torch.no_grad():
        labels = probes.predict_depth(teacher.eval(), tokens, config)
    options = {"num_steps": 200, "batch_size": 16, "learning_rate": 0.02, "weight_decay": 0.0, "seed": 0}
    with ablation.AblationArguments(output_dir="unused", mixed_precision=mixed_precision).autocast():
        before = probes.evaluate_head(head, tokens, labels, config)
        probes.train_head(head, tokens, labels, config, **options)
        after = probes.evaluate_head(head, tokens, labels, config)
    assert after["rmse"] < 0.1 * before["rmse"]
    assert after["delta1"] > 0.99


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    """Folder of a smoke run in a process of its own, and what it printed."""
    folder = tmp_path_factory.mktemp("ablation")
    arguments = ["--smoke", "--output_dir", folder / "table", "--cache_dir", folder / "cache", "--num_workers", 1]
    return folder, run_script(ABLATION, *arguments)


def smoke_arguments(ablation, folder, **changes):
    return ablation.AblationArguments(
        output_dir=str(folder / "table"), cache_dir=str(folder / "cache"), smoke=True, **changes
    )


@pytest.mark.slow
def test_smoke_run_and_resumed_run(ablation, smoke_run, capsys):
    folder, printed = smoke_run
    assert "0 runs are finished already, 6 to do." in printed
    results = json.loads((folder / "table" / "results.json").read_text())
    assert [(result["variant"], result["seed"]) for result in results] == [
        (variant, 0) for variant in ablation.SETTINGS["rooms"].variants
    ]
    for result in results:
        assert result["images_seen"] == 4 * result["num_steps"]
        assert result["dpt"]["num_images"] == 4
    assert len({result["dpt"]["rmse"] for result in results}) == len(results)
    with PIL.Image.open(folder / "table" / "ablation.png") as plot:
        assert plot.size == (900, 520)

    lost = folder / "table" / "runs" / "pixio-0.json"
    before = json.loads(lost.read_text())
    kept = {path: path.stat().st_mtime_ns for path in lost.parent.iterdir() if path != lost}
    lost.unlink()
    ablation.main(smoke_arguments(ablation, folder))
    assert "5 runs are finished already, 1 to do." in capsys.readouterr().out
    again = json.loads(lost.read_text())
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for name in ("num_steps", "pretraining_flops", "recipe"):
        assert again[name] == before[name]
    # In one process of more threads sums have another order; two steps do not let that grow.
    assert again["last_pretraining_loss"] == pytest.approx(before["last_pretraining_loss"], rel=1e-4)
    assert again["dpt"]["rmse"] == pytest.approx(before["dpt"]["rmse"], rel=1e-3)


@pytest.mark.slow
def test_runs_of_another_recipe_are_refused(ablation, smoke_run):
    folder, _ = smoke_run
    with pytest.raises(ValueError, match=r"made with other settings \(weight_decay\)"):
        ablation.main(smoke_arguments(ablation, folder, weight_decay=0.5))


@pytest.mark.slow
def test_report_goes_between_the_markers(ablation, report, smoke_run, tmp_path):
    folder, _ = smoke_run
    begin, end, _ = report.MARKS["rooms"]
    page = tmp_path / "ablation.md"
    arguments = smoke_arguments(ablation, folder, report_only=True, docs_dir=str(tmp_path))
    page.write_text("no markers\n")
    with pytest.raises(ValueError, match="must hold the line"):
        ablation.main(arguments)
    assert page.read_text() == "no markers\n"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for _ in range(2):
        ablation.main(arguments)
        table = (folder / "table" / "table.md").read_text()
        assert page.read_text() == f"before\n{begin}\n{table}{end}\nafter\n"
    with PIL.Image.open(tmp_path / "images" / "ablation.png") as plot:
        assert plot.size == (900, 520)


def write_photographs(folder) -> None:
    """As examples/gather_photographs.py leaves them: photographs of two sources, some of them held out."""
    rows = [("part", "source", "file", "repository", "path", "licence", "author", "near_duplicate_of")]
    groceries = [("Apple", "train"), ("Apple", "test"), ("Pear", "train"), ("Pear", "test")]
    kinds = [("shelves", f"dataset/{part}/Fruit/{kind}") for kind, part in groceries]
    kinds += [("flowers", f"data/flowers/{kind}") for kind in ("rose", "tulip")]
    for number, (source, path) in enumerate(kinds):
        for copy in range(16):
            name = f"{source}_{number}_{copy}.png"
            place = folder / "train" / source / name
            place.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.new("RGB", (80, 64), (40 + 80 * (number // 2), 10 * copy, 90)).save(place)
            rows.append(("train", source, name, "owner/name", f"{path}/{name}", "MIT", "", ""))
    rows.append(("held_out", "flowers", "missing.png", "owner/name", "data/flowers/rose/missing.png", "MIT", "", ""))
    with (folder / "photographs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_classes_of_photographs(data, tmp_path):
    write_photographs(tmp_path)
    rows = data.list_photographs(str(tmp_path))
    assert len(rows) == 96
    splits = data.split_classes(rows)
    groceries, flowers = splits["groceries"], splits["flowers"]
    assert [rows[index]["path"].split("/")[1] for index in groceries.test] == ["test"] * 32
    assert [rows[index]["path"].split("/")[-2] for index in groceries.test] == ["Apple"] * 16 + ["Pear"] * 16
    assert groceries.test_labels == [0] * 16 + [1] * 16
    assert len(flowers.train) + len(flowers.test) == 32
    assert set(flowers.test_labels) == {0, 1}
    assert not set(flowers.train) & set(flowers.test)
    assert len(data.list_photographs(str(tmp_path), 10)) == 10
    with pytest.raises(ValueError, match="names 96 to train on"):
        data.list_photographs(str(tmp_path), 97)
    pixels = data.load_photographs(str(tmp_path), rows, 32, str(tmp_path / "cache"))
    assert pixels.shape == (96, 3, 32, 32)
    assert pixels[-1, :, 0, 0].tolist() == [200, 150, 90]
    images = data.join_images(np.zeros((3, 3, 32, 32), np.uint8), pixels)
    assert len(images) == 99
    assert data.take_images(images, [0, 98])[:, :, 0, 0].tolist() == [[0, 0, 0], [200, 150, 90]]


def test_pixels_of_other_photographs_are_not_taken_for_these(data, tmp_path):
    for name, shift in (("first", 0), ("second", 1)):
        write_photographs(tmp_path / name)
        rows = data.list_photographs(str(tmp_path / name))[:48][shift::2]
        pixels = data.load_photographs(str(tmp_path / name), rows, 32, str(tmp_path / "cache"))
        assert pixels[1, 1, 0, 0] == 10 * (2 + shift)


def test_neighbours_of_photographs(ablation, probes, data):
    """Photographs of two colours are told apart by any encoder; with labels mixed up they are not."""
    torch.manual_seed(0)
    encoder = randomize_weights(PixioForPreTraining(tiny_config())).pixio
    photographs = torch.randint(0, 40, (60, 3, 64, 64), dtype=torch.uint8).numpy()
    photographs[1::2] += 200
    classes = [index % 2 for index in range(60)]
    right = data.ClassSplit(list(range(40)), classes[:40], list(range(40, 60)), classes[40:])
    wrong = right._replace(test_labels=[1 - label for label in right.test_labels])
    measured = probes.measure_knn(encoder, photographs, {"right": right, "wrong": wrong})
    assert measured["right"] == {"top1": 100.0, "num_test_images": 20}
    assert measured["wrong"]["top1"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_smoke_run_on_photographs(ablation, tmp_path, capsys, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    write_photographs(tmp_path)
    arguments = ablation.AblationArguments(
        output_dir=str(tmp_path / "table"),
        cache_dir=str(tmp_path / "cache"),
        setting="photographs",
        photographs=str(tmp_path),
        smoke=True,
        mixed_precision="bf16",
        device=device,
    )
    ablation.main(arguments)
    assert "| Pixio, blocks of 4 x 4 | 1 |" in capsys.readouterr().out
    results = json.loads((tmp_path / "table" / "results.json").read_text())
    assert {result["variant"] for result in results} == set(ablation.SETTINGS["photographs"].variants)
    assert all(result["groceries"]["num_test_images"] > 0 for result in results)
    with PIL.Image.open(tmp_path / "table" / "ablation_photographs.png") as plot:
        assert plot.size == (900, 780)


def test_bad_requests(ablation, tmp_path):
    arguments = ablation.AblationArguments(output_dir=str(tmp_path), setting="photographs")
    with pytest.raises(ValueError, match="needs --photographs"):
        ablation.main(arguments)
    with pytest.raises(ValueError, match="variants has dino; choose from random, mae"):
        ablation.main(ablation.AblationArguments(output_dir=str(tmp_path), variants=["dino"]))
    with pytest.raises(ValueError, match="shows no photographs"):
        ablation.main(ablation.AblationArguments(output_dir=str(tmp_path), photographs=str(tmp_path)))
    with pytest.raises(ValueError, match=r"photographs\.csv is missing"):
        ablation.list_photographs(str(tmp_path))
    with pytest.raises(ValueError, match="exceeds num_scenes"):
        ablation.main(ablation.AblationArguments(output_dir=str(tmp_path), num_scenes=10))
    with pytest.raises(ValueError, match="no finished run"):
        ablation.main(ablation.AblationArguments(output_dir=str(tmp_path), report_only=True))


def test_means_spreads_and_differences(report):
    assert report.paired_difference({0: 3.0, 1: 5.0, 2: 8.0}, {0: 1.0, 1: 2.0, 2: 4.0, 3: 9.0}) == pytest.approx(
        (3.0, 1 / math.sqrt(3))
    )
    assert math.isnan(report.paired_difference({0: 1.0}, {1: 1.0})[0])
    results = []
    for variant, shift in (("mae", 0.0), ("deep_decoder", 0.1)):
        for seed in range(3):
            values = {"delta1": 0.5 + shift + 0.01 * seed, "rmse": 1.0 - shift}
            cost = {"images_seen": 6400, "pretraining_flops": 2.5e12, "pretraining_seconds": 90}
            results.append({"variant": variant, "seed": seed, "dpt": values, "linear": values, **cost})
    assert "| + deep decoder | 3 | 6,400 | 2.5 | 1.5 | 0.610 ± 0.010 | 0.900 ± 0.000 |" in "\n".join(
        report.variants_table(results)
    )
    differences = report.differences_table(results)
    assert len(differences) == 3, "only the pair of which there are results"
    assert differences[-1].startswith("| deep decoder minus MAE | +0.100 ± 0.000 | -0.100 ± 0.000 |")
