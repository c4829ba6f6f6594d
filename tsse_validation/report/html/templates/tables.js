// Sorting and filters for the tables; without it they are whole all the same.
(() => {
  const SMALL = 8;

  const shown = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v ?? cell.textContent.trim();
  };
  const asNumber = (text) => (/^-?[\d,]+(\.\d+)?$/.test(text) ? Number(text.replaceAll(",", "")) : NaN);
  const compare = (one, other) => {
    const [a, b] = [asNumber(one), asNumber(other)];
    if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
    return one < other ? -1 : one > other ? 1 : 0;
  };

  const sortBy = (table, head, column) => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [shown(row, column), row]);
    keyed.sort(([one], [other]) => (descending ? -compare(one, other) : compare(one, other)));
    body.append(...keyed.map(([, row]) => row));
  };

  const addSorting = (table) => {
    for (const head of table.querySelectorAll("thead th[data-col]")) {
      const button = make("button", head.textContent.trim());
      button.type = "button";
      button.addEventListener("click", () => sortBy(table, head, Number(head.dataset.col)));
      head.replaceChildren(button);
    }
  };

  const addFilter = (table) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < SMALL) return;
    const bar = make("div", undefined, "tsse-filter");
    const scroll = table.closest(".tsse-scroll");
    const label = make("label", "Filter");
    const input = make("input");
    input.type = "search";
    input.setAttribute("aria-label", `Filter: ${scroll.getAttribute("aria-label")}`);
    label.append(input);
    const only = make("input");
    only.type = "checkbox";
    const said = make("span", undefined, "tsse-muted");
    said.setAttribute("role", "status");
    const texts = new Map();
    const textOf = (row) => {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      return texts.get(row);
    };
    const apply = () => {
      const wanted = input.value.trim().toLowerCase();
      let left = 0;
      for (const row of rows) {
        const bad = !only.checked || row.classList.contains("tsse-row-bad");
        row.hidden = !(bad && (wanted === "" || textOf(row).includes(wanted)));
        left += row.hidden ? 0 : 1;
      }
      said.textContent = left === rows.length ? "" : `${number(left)} of ${number(rows.length)} shown`;
    };
    input.addEventListener("input", apply);
    only.addEventListener("change", apply);
    bar.append(label);
    if (rows.some((row) => row.classList.contains("tsse-row-bad"))) {
      const mismatching = make("label");
      mismatching.append(only, " only what mismatches");
      bar.append(mismatching);
    }
    bar.append(said);
    scroll.before(bar);
  };

  document.querySelectorAll(".tsse-sortable").forEach((table) => {
    addSorting(table);
    addFilter(table);
  });
})();
