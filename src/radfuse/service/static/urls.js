// Addresses of the server's REST interface that more than one module requests.

export const ROOT = "/api/v1";
export const studyUrl = (id) => `${ROOT}/studies/${id}`;
export const volumeUrl = (id, name, run) => `${ROOT}/studies/${id}/volumes/${name}.nii?run=${run}`;
