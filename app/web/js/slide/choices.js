/** How somebody likes to see layers, kept in this browser. Nothing of a slide is kept. */

const NAME = "xmag.layers";

export function kept() {
  try {
    const { opacity, scale, palette } = JSON.parse(localStorage.getItem(NAME) ?? "{}");
    return {
      ...(Number.isFinite(opacity) ? { opacity } : {}),
      ...(scale === "raw" ? { scale } : {}),
      ...(typeof palette === "string" ? { palette } : {}),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

export function keep({ opacity, scale, palette }) {
  localStorage.setItem(NAME, JSON.stringify({ opacity, scale, palette }));
}
