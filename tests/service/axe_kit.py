"""Rules of accessibility (WCAG 2.2 A and AA, best practices), checked by axe-core in a browser."""

import sys
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
"""Where `make ready` installs axe-core."""

GRAVE = ("serious", "critical")

RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.flatMap(({ id, impact, nodes }) => nodes.map(({ target, any, all, none }) => [
    impact, `${id}: ${target.join(" ")}: ${[...any, ...all, ...none][0]?.message}`,
  ]))
), (error) => done([["critical", String(error)]]));
"""


def grave_violations(browser: WebDriver) -> list[str]:
    """Serious and critical violations of the document as it is: rule, element and reason."""
    if not AXE.is_file():
        pytest.skip("axe-core is missing: make ready installs it with npm")
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE.read_text())
    found = browser.execute_async_script(RUN)
    return [violation for impact, violation in found if impact in GRAVE]
