"""LazySlide: find tissue, lay tiles, extract features, as its documentation shows."""

import sys
import time

from cpu_student import BATCH, MPP, TILE_PX, WORKERS, Student, pixels_of, report
from lazyslide import pp, tl
from wsidata import open_wsi

if __name__ == "__main__":
    model = Student()
    start = time.perf_counter()
    slide = open_wsi(sys.argv[1], store=None)
    pp.find_tissues(slide)
    pp.tile_tissues(slide, TILE_PX, mpp=MPP, background_fraction=0.9)  # tissue on a tenth is enough, as for xmag
    features = tl.feature_extraction(
        slide, model, transform=pixels_of, batch_size=BATCH, num_workers=WORKERS, pbar=False, return_features=True
    )
    report("LazySlide", start, features.shape, "lazyslide", "wsidata", "openslide-python")
