"""The dashboard in a real browser: what an operator sees and does."""

import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pydicom
import pytest
from axe_kit import grave_violations
from dashboard_kit import TOKENS, Dashboard, running_dashboard, settings_in
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from radfuse.node.state import FusionState, PatientState

LONG = (
    "registration QA failed: the estimated error of 6.2 mm (95 % up to 9.8 mm) at the worst point "
    "of the head is above the threshold of 2.0 mm; register manually in the viewer, pass a "
    "transform or accept the registration after a review"
)

UNMATCHED = (
    "planning head: description is 'Thorax nativ', not 'planning|RT head'; any head: the patient "
    "has no MR of a scanner"
)

EXPECTED = ("Failed to load resource", "[DOM]")
"""Messages of the browser on refused requests, and hints for forms."""

WAIT_S = 30


class Operator:
    """What a person does and sees."""

    def __init__(self, browser: Chrome, dashboard: Dashboard, folder: Path) -> None:
        self.browser, self.dashboard, self.folder = browser, dashboard, folder

    def sign_in(self, role: str) -> None:
        self.browser.delete_all_cookies()
        self.browser.get(self.dashboard.base)
        self.wait(lambda: self.shows("token"))
        self.element("token").send_keys(TOKENS[role], Keys.ENTER)
        self.wait(lambda: self.shows("content"))

    def element(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def shows(self, name: str) -> bool:
        return self.element(name).is_displayed()

    def wait(self, condition: Callable[[], object]) -> None:
        wait = WebDriverWait(self.browser, WAIT_S, poll_frequency=0.1)
        wait.until(
            lambda _: condition(), message=self.browser.find_element(By.TAG_NAME, "body").text
        )

    def wait_for(self, words: str, name: str = "content") -> None:
        self.wait(lambda: words in self.element(name).text)

    def choose(self, list_name: str) -> None:
        self.element(f"tab-{list_name}").click()

    def press(self, text: str) -> None:
        self.browser.find_element(By.XPATH, f"//button[text()='{text}']").click()

    def screenshot(self, name: str) -> None:
        self.browser.save_screenshot(str(self.folder / f"{name}.png"))

    def errors(self) -> list[str]:
        """What the browser complains of, but for refused requests."""
        log = [one["message"] for one in self.browser.get_log("browser")]
        return [one for one in log if not any(word in one for word in EXPECTED)]


def add_patient(url: str, source: Path, folder: Path, patient_id: str, name: str) -> str:
    """Store an image of another patient; returns the identifier of the Orthanc."""
    header = pydicom.dcmread(source)
    header.PatientID, header.PatientName = patient_id, name
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        header[keyword].value = pydicom.uid.generate_uid(entropy_srcs=[patient_id, keyword])
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.save_as(folder / "one.dcm")
    data = (folder / "one.dcm").read_bytes()
    urllib.request.urlopen(f"{url}/instances", data=data).close()  # noqa: S310
    digest = hashlib.sha1(patient_id.encode()).hexdigest()  # noqa: S324  # of the Orthanc
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


@pytest.fixture
def operator(browser: Chrome, dashboard: Dashboard, tmp_path: Path) -> Iterator[Operator]:
    browser.set_window_size(1280, 900)
    browser.get_log("browser")
    operator = Operator(browser, dashboard, tmp_path)
    yield operator
    browser.get("about:blank")
    assert operator.errors() == []


def fill(operator: Operator, url: str, source: Path) -> None:
    """One patient in each state."""
    store = operator.dashboard.node.store
    names = ["Müller^Anna", "Smith^John", "Nowak^Piotr", "Rossi^Maria", "Ångström^Åsa", "Doe^Jane"]
    patients = [
        add_patient(url, source, operator.folder, f"47{number}", name)
        for number, name in enumerate(names, 11)
    ]
    for number, patient in enumerate(patients, 1):
        store.plan(patient, "planning head", "", forced=False)
        if number <= 3:
            store.change(number, state=FusionState.QUEUED, identity=f"job-{number}")
    store.change(4, state=FusionState.REFUSED, reason=LONG)
    store.change(5, state=FusionState.FAILED, reason="stopped after 3600 s; raise the time limit")
    store.change(6, state=FusionState.FUSED)
    store.store_result(6, [], ["PACS"])
    (delivery,) = store.deliveries(6)
    store.change_delivery(
        delivery.number, reason="DicomModality: cannot connect to PACS", attempts=3,
        next_attempt=4_000_000_000.0,
    )  # fmt: skip
    store.plan(patients[0], "planning head", "", forced=True)
    store.advance(1, [patients[4]])
    store.settle(patients[4], PatientState.UNMATCHED, UNMATCHED, "")
    data = operator.dashboard.node.settings.data
    for path, text in (
        ("logs/fusion-5.log", "WARNING: a line of the log\n" * 40),
        ("results/4/qa.html", "<h1>QA sheet of 4</h1>"),
    ):
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_text(text)


def test_an_empty_node_says_what_it_waits_for(operator: Operator) -> None:
    operator.sign_in("operator")
    operator.wait_for("The queue is empty")
    operator.wait_for("Working: patients are taken")
    operator.wait_for("No fusion runs")
    assert "Research use only. Not a medical device." in operator.browser.page_source
    operator.screenshot("empty")


@pytest.mark.slow
def test_no_list_has_grave_violations(
    operator: Operator, orthanc_url: str, coarse_folders: tuple[Path, Path]
) -> None:
    operator.browser.get(operator.dashboard.base)
    operator.wait(lambda: operator.shows("token"))
    found = {"sign in": grave_violations(operator.browser)}
    fill(operator, orthanc_url, next(coarse_folders[0].iterdir()))
    operator.sign_in("operator")
    tabs = operator.browser.find_elements(By.CSS_SELECTOR, "[id^=tab-]")
    for name in [tab.get_attribute("id") for tab in tabs]:
        operator.element(name).click()
        selected = f"#{name}[aria-selected=true]"
        operator.wait(lambda: operator.browser.find_elements(By.CSS_SELECTOR, selected))  # noqa: B023
        found[name] = grave_violations(operator.browser)
    operator.choose("failed")
    operator.wait_for("raise the time limit", "table")
    operator.press("Log")
    operator.wait(lambda: "a line of the log" in operator.element("log-text").text)
    found["log"] = grave_violations(operator.browser)
    assert len(found) > 6
    assert {name: violations for name, violations in found.items() if violations} == {}


@pytest.mark.slow
def test_an_operator_sees_patients_and_acts(
    operator: Operator, orthanc_url: str, coarse_folders: tuple[Path, Path]
) -> None:
    fill(operator, orthanc_url, next(coarse_folders[0].iterdir()))
    node = operator.dashboard.node
    node.settings = node.settings.model_copy(update={"viewer": "http://127.0.0.1:8045"})
    with ExitStack() as stack:
        for number, (stage, fraction) in enumerate(
            [("reading", None), ("registering", 0.45), ("writing", 0.9)], 1
        ):
            job = stack.enter_context(node.progress.running(f"job-{number}"))
            job.report(stage, fraction)
        operator.sign_in("operator")
        operator.wait_for("Müller Anna 4711", "running")
        operator.wait_for("registering 45 %", "running")
        operator.wait_for("planning head", "table")
        operator.screenshot("running")
        operator.choose("refused")
        operator.wait_for("Rossi Maria 4714", "table")
        operator.wait_for("6.2 mm", "table")
        operator.screenshot("refused")
        operator.browser.set_window_size(820, 1180)
        operator.screenshot("tablet")
        operator.browser.set_window_size(1280, 900)
    viewer = operator.browser.find_element(By.LINK_TEXT, "Open in the viewer")
    (patient,) = {one.patient for one in node.store.fusions([FusionState.REFUSED])}
    url = f"{operator.dashboard.base}/api/v1/patients/{patient}/viewer"
    assert viewer.get_attribute("href") == url
    sheet = operator.browser.find_element(By.LINK_TEXT, "QA sheet").get_attribute("href")
    assert sheet == f"{operator.dashboard.base}/api/v1/fusions/4/qa.html"
    operator.press("Run again")
    operator.wait_for("No fusion was refused")
    operator.choose("failed")
    operator.wait_for("raise the time limit", "table")
    operator.press("Log")
    operator.wait(lambda: "a line of the log" in operator.element("log-text").text)
    operator.screenshot("log")
    operator.browser.find_element(By.CSS_SELECTOR, "#log button").click()
    operator.choose("deliveries")
    operator.wait_for("cannot connect to PACS", "table")
    operator.screenshot("deliveries")
    operator.choose("unmatched")
    operator.wait_for("Thorax nativ", "table")
    operator.screenshot("unmatched")
    operator.press("Fuse now")
    operator.browser.switch_to.alert.accept()
    operator.wait_for("Every patient that has arrived matches a rule")
    operator.choose("search")
    operator.element("wanted").send_keys("smith*", Keys.ENTER)
    operator.wait_for("Smith John 4712", "table")
    operator.press("Fuse now")
    operator.browser.switch_to.alert.accept()
    operator.wait_for("arriving", "table")
    operator.screenshot("search")


def test_an_operator_suspends_and_resumes(operator: Operator) -> None:
    operator.sign_in("operator")
    operator.wait_for("Working")
    operator.press("Suspend")
    operator.wait_for("Suspended: no patient is taken")
    assert operator.dashboard.node.store.is_suspended
    operator.press("Resume")
    operator.wait_for("Working: patients are taken")


def test_a_viewer_has_no_patients_and_no_buttons(operator: Operator) -> None:
    operator.dashboard.node.store.plan("secret", "head", "", forced=False)
    operator.sign_in("viewer")
    operator.wait_for("planned", "table")
    assert "Patient" not in operator.element("table").text
    tabs = [tab.text for tab in operator.browser.find_elements(By.CSS_SELECTOR, "[role=tab]")]
    assert [one.rstrip(" 0123456789") for one in tabs] == [
        "Queue", "Refused", "Failed", "Done", "Other",
    ]  # fmt: skip
    assert not operator.shows("suspend")


def test_lists_are_chosen_by_keys(operator: Operator) -> None:
    operator.sign_in("admin")
    operator.element("tab-queue").send_keys(Keys.ARROW_LEFT)
    operator.wait_for("min_free_bytes", "table")
    operator.screenshot("settings")
    active = operator.browser.switch_to.active_element
    assert (active.get_attribute("id"), active.get_attribute("aria-selected")) == (
        "tab-settings", "true",
    )  # fmt: skip
    active.send_keys(Keys.ARROW_LEFT)
    operator.wait_for("signed in", "table")


def test_a_wrong_token_is_refused_in_words(operator: Operator) -> None:
    operator.browser.delete_all_cookies()
    operator.browser.get(operator.dashboard.base)
    operator.wait(lambda: operator.shows("token"))
    operator.element("token").send_keys("wrong", Keys.ENTER)
    operator.wait(lambda: "no user has this token" in operator.element("error").text)
    operator.screenshot("sign-in")


def test_problems_are_at_the_top(browser: Chrome, tmp_path: Path) -> None:
    with running_dashboard(settings_in(tmp_path, min_free_bytes=1 << 60)) as dashboard:
        dashboard.node.settings.rules.write_text("nonsense")
        dashboard.node.rules.refresh()
        operator = Operator(browser, dashboard, tmp_path)
        operator.sign_in("operator")
        operator.wait_for("Orthanc does not answer", "problems")
        operator.wait_for("the earlier rules remain in force", "problems")
        operator.wait_for("Paused: no patient is taken")
        operator.screenshot("problems")
        browser.get("about:blank")
