// The page is whole without this: it adds the heatmap's pointer and keys, copying, and what paper needs.
(() => {
  // Copying

  const addCopying = (command) => {
    const button = make("button", "Copy", "tsse-copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(command);
        button.textContent = "Selected: copy it now";
      }
    });
    command.after(button);
  };

  // The heatmap

  const addHeatmap = (figure, index, heat) => {
    const region = figure.querySelector(".tsse-heat-scroll");
    const picture = region.querySelector("svg");
    const readout = figure.querySelector(".tsse-readout");
    const picked = figure.querySelector(".tsse-picked");
    const help = "Point at a cell, or focus the picture and use the arrow keys. Enter or a click shows the cell's rows.";
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    cursor.setAttribute("class", "tsse-cursor");
    cursor.setAttribute("width", heat.cell);
    cursor.setAttribute("height", heat.row - 1);
    let at = [0, 0];

    const countsOf = (row, column) => {
      const postgres = heat.postgres[row][column];
      if (postgres < 0) return null;
      const [lake, notDue, pending, state] = heat.more[`${row}-${column}`] ?? [postgres, 0, 0, "agrees"];
      return { postgres, lake, notDue, pending, state };
    };
    const describe = (row, column) => {
      const counts = countsOf(row, column);
      const name = `${heat.sensors[row]}, ${heat.days[column]}`;
      if (counts === null) return `${name}: not counted`;
      const rest = counts.notDue || counts.pending
        ? `, not due ${number(counts.notDue)}, pending ${number(counts.pending)}` : "";
      return `${name}: ${counts.state}; Postgres ${number(counts.postgres)}, lake ${number(counts.lake)}${rest}`;
    };
    const move = (row, column) => {
      at = [row, column];
      cursor.setAttribute("x", heat.left + heat.cell * column);
      cursor.setAttribute("y", heat.top + heat.row * row);
      if (!cursor.isConnected) picture.append(cursor);
      readout.textContent = describe(row, column);
    };
    const reveal = () => {
      const [row, column] = at;
      const [x, y] = [heat.left + heat.cell * column, heat.top + heat.row * row];
      if (x < region.scrollLeft + heat.cell || column === 0) region.scrollLeft = column === 0 ? 0 : x - heat.cell;
      if (x + 2 * heat.cell > region.scrollLeft + region.clientWidth) region.scrollLeft = x + 2 * heat.cell - region.clientWidth;
      if (y < region.scrollTop + heat.row) region.scrollTop = row === 0 ? 0 : y - heat.row;
      if (y + 2 * heat.row > region.scrollTop + region.clientHeight) region.scrollTop = y + 2 * heat.row - region.clientHeight;
    };
    const cellAt = (event) => {
      const box = picture.getBoundingClientRect();
      const scale = picture.viewBox.baseVal.width / box.width;
      const column = Math.floor(((event.clientX - box.left) * scale - heat.left) / heat.cell);
      const row = Math.floor(((event.clientY - box.top) * scale - heat.top) / heat.row);
      const inside = row >= 0 && row < heat.sensors.length && column >= 0 && column < heat.days.length;
      return inside ? [row, column] : null;
    };
    const rowsOf = (row, column) => {
      const name = `${index}:${row}-${column}`;
      return [...document.querySelectorAll(".tsse-rows > tbody > tr")]
        .filter((line) => line.dataset.cells.split(" ").includes(name));
    };
    const pick = (row, column) => {
      move(row, column);
      const rows = rowsOf(row, column);
      picked.replaceChildren(make("h4", `${heat.sensors[row]}, ${heat.days[column]}`), make("p", describe(row, column)));
      if (rows.length) {
        const table = make("table");
        const head = rows[0].closest("table").tHead.cloneNode(true);
        head.querySelectorAll("th").forEach((cell) => {
          cell.textContent = cell.textContent.trim();
          cell.removeAttribute("data-col");
          cell.removeAttribute("aria-sort");
        });
        const body = make("tbody");
        body.append(...rows.map((line) => {
          const copy = line.cloneNode(true);
          copy.hidden = false;
          return copy;
        }));
        table.append(head, body);
        const scroll = make("div", undefined, "tsse-scroll");
        scroll.setAttribute("role", "region");
        scroll.setAttribute("aria-label", "Differing rows of the cell");
        scroll.tabIndex = 0;
        scroll.append(table);
        picked.append(scroll);
      } else {
        picked.append(make("p", "No differing row of this cell is listed on this page."));
      }
      const close = make("button", "Close");
      close.type = "button";
      const shut = () => {
        picked.hidden = true;
        region.focus();
      };
      close.addEventListener("click", shut);
      picked.onkeydown = (event) => {
        if (event.key === "Escape") shut();
      };
      picked.append(close);
      picked.hidden = false;
      picked.focus();
    };

    region.setAttribute("role", "application");
    region.setAttribute("aria-roledescription", "heatmap");
    readout.textContent = help;
    region.addEventListener("focus", () => { move(...at); });
    region.addEventListener("keydown", (event) => {
      const [row, column] = at;
      const [last, end] = [heat.sensors.length - 1, heat.days.length - 1];
      const to = {
        ArrowUp: [Math.max(0, row - 1), column],
        ArrowDown: [Math.min(last, row + 1), column],
        ArrowLeft: [row, Math.max(0, column - 1)],
        ArrowRight: [row, Math.min(end, column + 1)],
        Home: [row, 0],
        End: [row, end],
        PageUp: [Math.max(0, row - 20), column],
        PageDown: [Math.min(last, row + 20), column],
      }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (to) {
        move(...to);
        reveal();
      } else if (event.key === "Enter" || event.key === " ") {
        pick(row, column);
      } else {
        return;
      }
      event.preventDefault();
    });
    picture.addEventListener("pointermove", (event) => {
      const cell = cellAt(event);
      if (cell) move(...cell);
    });
    picture.addEventListener("click", (event) => {
      const cell = cellAt(event);
      if (cell) pick(...cell);
    });
  };

  const data = JSON.parse(document.getElementById("tsse-data").textContent);
  document.querySelectorAll(".tsse-heat").forEach((figure, index) => addHeatmap(figure, index, data.heatmaps[index]));
  document.querySelectorAll(".tsse-command").forEach(addCopying);

  // On paper everything is open, and afterwards as it was.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
