(function () {
  var button = document.getElementById('code-toggle');
  button.hidden = false;
  button.addEventListener('click', function () {
    var open = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', open);
    button.textContent = open ? 'Hide code' : 'Show code';
    document.querySelectorAll('details.source').forEach(function (d) { d.open = open; });
  });
})();
