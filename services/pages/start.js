// Shows the contract of the service that this page comes from.
window.onload = () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#page",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    onComplete: () => { document.title = document.querySelector(".title")?.firstChild?.textContent ?? "API"; },
  });
};
