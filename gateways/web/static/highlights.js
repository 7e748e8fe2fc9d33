// What a search found, marked. The server sends it escaped with `<mark>` around the words; nothing else is believed.

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&#39;": "'" };
const ENTITY = /&(?:amp|lt|gt|quot|#x27|#39);/g;

/** Text nodes and `<mark>` elements of a highlight; one of any other form is shown as the text that it is. */
export function marked(highlight) {
  const pieces = highlight.split(/(<\/?mark>)/);
  const nodes = [];
  let mark = null;
  for (const piece of pieces) {
    if (piece === "<mark>" && !mark) mark = document.createElement("mark");
    else if (piece === "</mark>" && mark) {
      nodes.push(mark);
      mark = null;
    } else if (isPlain(piece)) (mark ?? nodes)[mark ? "append" : "push"](unescaped(piece));
    else return [highlight];
  }
  return mark ? [highlight] : nodes;
}

function isPlain(text) {
  return !/[<>]/.test(text) && !text.replace(ENTITY, "").includes("&");
}

function unescaped(text) {
  return text.replace(ENTITY, (entity) => ENTITIES[entity]);
}
