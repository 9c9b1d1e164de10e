(function () {
  var page = document.documentElement;
  function each(what, act) { document.querySelectorAll(what).forEach(act); }
  function toggle(id, on, off, act) {
    var button = document.getElementById(id);
    button.addEventListener('click', function () {
      var open = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', open);
      button.textContent = open ? off : on;
      act(open);
    });
    return button;
  }
  page.classList.add('no-code');
  toggle('code-toggle', 'Show code', 'Hide code', function (open) {
    page.classList.toggle('no-code', !open);
    each('details.source', function (d) { d.open = open; });
  }).hidden = !document.querySelector('details.source');
  toggle('all-parts', 'Open all', 'Fold all', function (open) {
    each('details.part, details.rest', function (d) { d.open = open; });
  }).hidden = !document.querySelector('details.part');
  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var d = target && target.closest('details'); d; d = d.parentElement.closest('details')) { d.open = true; }
    if (target) { target.scrollIntoView(); }
  }
  addEventListener('hashchange', reveal);
  reveal();
})();
