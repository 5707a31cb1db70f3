"""The QA sheet of a fusion: content, HTML, sign-off."""
