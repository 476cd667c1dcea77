"""Training and export of the models that xmag-serve runs. Imports app; app never imports it."""
