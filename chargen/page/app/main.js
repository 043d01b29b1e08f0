// The page begins: the parts of it get to know each other, and the model is opened that is there.

function begin() {
  const app = new App(new EngineClient(byId("worker").textContent));
  const editor = new Editor(app);
  if (typeof mountInside === "function") mountInside(app, byId("inside"));
  const files = filesWithin(document);
  if (Object.keys(files).length > 0) app.open(files);
  app.on("problem", error => { byId("status").textContent = error.message; });
  byId("write-button").addEventListener("click", () => app.write({}));
  app.on("model", () => {
    byId("model-name").textContent = app.about.name;
    byId("model-title").textContent = app.about.title;
  });
  editor.focus();
}

begin();
