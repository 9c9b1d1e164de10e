// A copy of the progress bar in the corner of the window while the bar itself is out of sight; gone when the run ends.
(() => {
  const corner = document.createElement("div");
  corner.style.cssText =
    "position: fixed; right: 2.5rem; top: 6.5rem; z-index: 1000; max-width: 34rem; padding: 0.5rem 1rem;" +
    "border: 1px solid currentColor; border-radius: 4px; font-family: sans-serif;" +
    "background: var(--jp-layout-color1, white); color: var(--jp-ui-font-color1, black);";
  let seen = false;
  const timer = setInterval(() => {
    const bar = document.getElementById("NAME");
    if (!bar) {
      if (seen) {
        clearInterval(timer);
        corner.remove();
      }
      return;
    }
    seen = true;
    const place = bar.getBoundingClientRect();
    corner.innerHTML = bar.innerHTML;
    if (place.bottom > 0 && place.top < window.innerHeight) corner.remove();
    else document.body.append(corner);
  }, 300);
})();
