"""Settings of Sphinx for the site: `make docs`."""

import sys
from pathlib import Path

import radfuse

sys.path.insert(0, str(Path(__file__).parent))
from finish import setup as setup  # noqa: PLC0414 - Sphinx calls `setup` of this module

project = "radfuse"
author = "the radfuse contributors"
version = release = radfuse.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
smartquotes_action = "qe"  # options keep their two hyphens
myst_heading_anchors = 5
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_display_short_literal_types = True
python_maximum_signature_line_length = 60
python_use_unqualified_type_names = True
add_module_names = False
napoleon_google_docstring = False
napoleon_use_rtype = False
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = "radfuse"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_js_files = [("../../versions.js", {"defer": "defer"}), ("versions.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = None
html_math_renderer = "mathml"
html_permalinks_icon = "#"
html_use_index = True
html_domain_indices = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_theme_options = {"navigation_with_keys": False, "top_of_page_buttons": []}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
