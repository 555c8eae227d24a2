# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which images survive the tests of curation, with recorded draws, against the original's choice.

See docs/specification.md 3.5.
"""

import json

import pytest

from pixio_hf.data.curation.selection import NEVER, CurationRule, CurationTests
from pixio_hf.data.curation.statistics_files import find_statistics, locate_statistics
from tests.golden import load_case

pytestmark = pytest.mark.parity


@pytest.fixture(params=["all_filters", "histogram_only", "resolution_only", "soft_only", "none"])
def result(request):
    return load_case("webdata_curation").values["results"][request.param]


def test_kept_members_and_used_draws(result, tmp_path):
    values = load_case("webdata_curation").values
    records = {
        image["name"]: {name: image[name] for name in ("histogram_score", "width", "height", "mae_loss")}
        for image in values["images"]
        if image["in_json"]
    }
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "0007.json").write_text(json.dumps(records))
    tests = CurationTests(result["hist_thresh"], result["imgres_thresh"], result["soft_sampling"])
    shard = "/data/web/0007.tar"
    rule = CurationRule(find_statistics(locate_statistics([shard], tmp_path)), tests)

    draws, kept, num_used = values["uniform_draws"], [], 0
    for image in values["images"]:
        # The recorded draws belong to the images that reach soft sampling, in turn.
        reaches = image["in_json"] and tests.soft_sampling and tests.largest_kept_draw(image) != NEVER
        draw = draws[num_used] if reaches else 0.999
        num_used += reaches
        if rule(shard, image["name"], draw):
            kept.append(image["number"])
    assert kept == result["kept_image_numbers"]
    assert num_used == result["uniform_draws_consumed"]
