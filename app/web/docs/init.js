// Everything comes from this server: no validator, no fonts, no scripts from elsewhere.
"use strict";

window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#api",
    deepLinking: true,
    validatorUrl: null,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    docExpansion: "none",
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
  });
});
