/** Lengths on the screen. Pure functions. */

/** The longest bar of 1, 2 or 5 times a power of ten µm within `longestPx`: {um, px, text}. */
export function scaleBar(mppOnScreen, longestPx) {
  const longestUm = mppOnScreen * longestPx;
  const power = 10 ** Math.floor(Math.log10(longestUm));
  const um = power * [5, 2, 1].find((step) => step * power <= longestUm * (1 + 1e-9));
  const text = um >= 1000 ? `${Number((um / 1000).toPrecision(3))} mm` : `${Number(um.toPrecision(3))} µm`;
  return { um, px: um / mppOnScreen, text };
}

/** As on a microscope: 10 µm/px is 1x. */
export function magnification(mppOnScreen) {
  const times = 10 / mppOnScreen;
  return `${times >= 10 ? Math.round(times) : Number(times.toPrecision(2))}x`;
}
