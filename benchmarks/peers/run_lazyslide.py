"""LazySlide: find tissue, lay tiles, extract features, as its documentation shows."""

from pathlib import Path

from cpu_student import BATCH, MPP, TILE_PX, WORKERS, Student, pixels_of, time_slides
from lazyslide import pp, tl
from wsidata import open_wsi

model = Student()


def features_of(path: Path) -> tuple[int, ...]:
    slide = open_wsi(str(path), store=None)
    pp.find_tissues(slide)
    pp.tile_tissues(slide, TILE_PX, mpp=MPP, background_fraction=0.9)  # tissue on a tenth is enough, as for xmag
    features = tl.feature_extraction(
        slide, model, transform=pixels_of, batch_size=BATCH, num_workers=WORKERS, pbar=False, return_features=True
    )
    return features.shape


if __name__ == "__main__":
    time_slides(features_of, "lazyslide", "wsidata", "openslide-python")
