// Files brought for a mail: announced, sent to the address that the server signs, completed.

import { problemOf } from "./api.js";

const MOST_BYTES = 25 * 2 ** 20;

/** The id of the attachment that the file became. Rejects with a `Problem`. */
export async function upload(api, file) {
  const announced = await api.post("/v1/attachments", {
    filename: file.name,
    content_type: file.type || "application/octet-stream",
    size: file.size,
    ...(await digest(file)),
  });
  if (announced.upload) {
    const { method, url, headers } = announced.upload;
    const answer = await fetch(url, { method, headers, body: file });
    if (!answer.ok) throw await problemOf(answer);
    await api.post(`/v1/attachments/${announced.id}/complete`, {});
  }
  return announced.id;
}

/** With its hash a file that the server knows already need not travel; browsers hash on secure origins only. */
async function digest(file) {
  if (!crypto.subtle || file.size > MOST_BYTES) return {};
  const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return { sha256: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("") };
}
