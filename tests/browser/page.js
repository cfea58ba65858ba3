// What the tests ask of an open JupyterLab page.
window.reader = (() => {
  const notebook = () => jupyterapp.shell.currentWidget.content;

  const within = async (seconds, work) => {
    let timer;
    const late = new Promise((_, refuse) => {
      timer = setTimeout(() => refuse(new Error(`not done within ${seconds} seconds`)), 1000 * seconds);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  };

  const errors = () =>
    notebook().widgets.flatMap((cell) =>
      (cell.model.outputs?.toJSON() ?? [])
        .filter((output) => output.output_type === "error")
        .map((output) => `${output.ename}: ${output.evalue}`),
    );

  const run = async (seconds) => {
    await within(seconds, jupyterapp.commands.execute("notebook:run-all-cells"));
    return errors();
  };

  const ask = async (code) => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const reply = await kernel.requestExecute({ code: "", user_expressions: { answer: code } }).done;
    return reply.content.user_expressions.answer;
  };

  const standIn = async (number) => {
    const pages = notebook();
    pages.activeCellIndex = number;
    pages.mode = "command";
    await pages.scrollToItem(number, "smart", 0);
    pages.activeCell.node.focus();
  };

  const label = (element) => element.labels?.[0]?.textContent ?? element.getAttribute("aria-label") ?? "";

  const focusable = (scope) =>
    [...document.querySelectorAll(scope)].flatMap((box) => [
      ...box.querySelectorAll("a[href], button, input, select, textarea, [tabindex], [contenteditable=true]"),
    ]);

  const rgba = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };

  // relative luminance of WCAG 2.2
  const luminance = (color) =>
    color
      .slice(0, 3)
      .map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);

  const behind = (element) => {
    for (let up = element; up; up = up.parentElement) {
      const color = rgba(getComputedStyle(up).backgroundColor);
      if (color[3] > 0.99) return color;
    }
    return [255, 255, 255, 1];
  };

  const contrast = (element) => {
    const both = [rgba(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
    return (both[0] + 0.05) / (both[1] + 0.05);
  };

  const faint = (scope) =>
    [...document.querySelectorAll(scope)]
      .flatMap((box) => [...box.querySelectorAll("label, select, figcaption, th, td, p")])
      .filter((element) => element.textContent.trim() && element.offsetParent && contrast(element) < 4.5)
      .map((element) => `${element.tagName} ${contrast(element).toFixed(2)}: ${element.textContent.slice(0, 40)}`);

  return { run, ask, standIn, label, focusable, faint };
})();
