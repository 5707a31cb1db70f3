"""The synthetic phantom that the viewer offers where there is no study."""

from service_kit import Site

from radfuse.service.routes.phantom import NAME


def test_phantom_becomes_a_study_and_is_deleted_with_it(site: Site) -> None:
    answer = site.client.post("/api/v1/phantom", json={"spacing_mm": 6.0})
    assert answer.status_code == 201, answer.text
    created = answer.json()
    assert created["name"] == NAME
    assert site.prepare(created["id"])[-1][0] == "done"
    assert max(site.view(created["id"])["ct"]["size"]) < 50
    images = site.client.get(f"/api/v1/studies/{created['id']}/identities").json()["images"]
    assert [one["modality"] for one in images] == ["CT", "MR"]
    assert site.deps is not None
    assert site.client.delete(f"/api/v1/studies/{created['id']}").status_code == 204
    assert list(site.deps.studies.uploads.glob("*/CT")) == []


def test_phantom_of_too_small_voxels_is_refused(site: Site) -> None:
    answer = site.client.post("/api/v1/phantom", json={"spacing_mm": 0.1})
    assert answer.status_code == 422
    assert "1.5" in answer.json()["error"]
