# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of the classes of ADE20K (150), Pascal VOC (21) and LoveDA (7), in the order of their numbers.

Checked against public lists: objectInfo150.txt of github.com/CSAILVision/sceneparsing (the first name of each row, but for
"television receiver", which other projects say too), pascal-voc-id2label.json of huggingface/label-files on the Hub, and
torchgeo.datasets.LoveDA (mmsegmentation says "agricultural").
"""

ADE20K_CLASSES = tuple(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door,
    table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair,
    seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers,
    counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table, pillow,
    screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop,
    stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck,
    tower, chandelier, awning, streetlight, booth, television receiver, airplane, dirt track, apparel, pole, land,
    bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer,
    plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step,
    tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase,
    traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock,
    flag""".replace("\n    ", " ").split(", ")
)
VOC_CLASSES = tuple(
    """background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
    person, pottedplant, sheep, sofa, train, tvmonitor""".replace("\n    ", " ").split(", ")
)
LOVEDA_CLASSES = ("background", "building", "road", "water", "barren", "forest", "agriculture")
