// The menu of versions: ../versions.js, beside the folders of the versions, lists them.
for (const box of document.querySelectorAll(".site-version")) {
  const versions = window.RADFUSE_VERSIONS ?? [];
  if (versions.length > 1) {
    const menu = document.createElement("select");
    menu.setAttribute("aria-label", "Version of the documentation");
    for (const version of versions) {
      menu.append(new Option(`Version ${version}`, version, false, version === box.dataset.version));
    }
    const root = new URL(box.dataset.root, location.href);
    menu.onchange = () => {
      location.href = new URL(`../${menu.value}/index.html`, root);
    };
    box.replaceChildren(menu);
  }
}
