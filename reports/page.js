"use strict";
// Every column of every table sorts: a button in its head, by mouse or keyboard.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((th, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = th.textContent;
    th.replaceChildren(button);
    button.addEventListener("click", () => sort(table, heads, i));
  });
}
function key(row, i) {
  const cell = row.cells[i];
  const text = cell.dataset.sort ?? cell.textContent;
  const number = Number(text);
  return text !== "" && !Number.isNaN(number) ? number : text;
}
function sort(table, heads, i) {
  const down = heads[i].getAttribute("aria-sort") === "ascending";
  heads.forEach((th) => th.removeAttribute("aria-sort"));
  heads[i].setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row, at) => ({ row, at, key: key(row, i) }));
  rows.sort((a, b) => {
    if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "") || a.at - b.at;
    const order = typeof a.key === "number" && typeof b.key === "number" ? a.key - b.key : String(a.key).localeCompare(String(b.key));
    return (down ? -order : order) || a.at - b.at;
  });
  table.tBodies[0].append(...rows.map((r) => r.row));
}
