"use strict";
// Tables sort, and trials are looked up. Everything shown is set as text, never as HTML.
(() => {
  const PAGE = 25;
  const LONG = 4000;

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  // Control characters and marks of direction as signs, as in the rest of the page.
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]/gu;
  function visible(text) {
    return String(text).replace(/\r\n/g, "\n").replace(HIDDEN, (mark) => {
      const code = mark.codePointAt(0);
      if (code < 0x20) return String.fromCharCode(0x2400 + code);
      if (code === 0x7f) return "␡";
      return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
    });
  }

  function shown(value, digits = 3) {
    if (value === null || value === undefined) return "missing";
    if (value === 0) return "0";
    const size = Math.abs(value);
    const text = size >= 0.001 && size < 1e6 ? String(Number(value.toPrecision(digits)))
      : value.toExponential(digits - 1);
    return text.replace(/-/g, "−");
  }

  // ---- tables ----
  function sortable(table) {
    table.querySelectorAll("thead th").forEach((head, place) => {
      const button = make("button", { type: "button" });
      // A header with a button in it is not repeated on the next page of paper: it has its name twice.
      const name = make("span", { class: "print" }, head.textContent.trim());
      button.append(...head.childNodes);
      head.append(button, name);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => [key(row.cells[place]), row]);
        rows.sort(([a], [b]) => order(a, b, down));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  function key(cell) {
    const value = cell.dataset.value;
    if (value === undefined) return cell.textContent.trim();
    return value === "" ? null : Number(value);
  }

  // What is missing stands last, whichever way.
  function order(a, b, down) {
    if (a === null || b === null) return (a === null) - (b === null);
    const found = typeof a === "number" && typeof b === "number" ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
    return down ? -found : found;
  }

  // ---- wide figures and tables can be scrolled by keyboard ----
  function reach() {
    document.querySelectorAll(".scroll, .found").forEach((box) => {
      const over = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
      if (over) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
      sign(box);
    });
  }

  // A table or figure that goes on beyond the edge says so, until its end is in sight.
  function sign(box) {
    const wide = box.classList.contains("scroll") && box.scrollWidth > box.clientWidth + 1;
    let said = box.previousElementSibling;
    if (!said || !said.classList.contains("more")) {
      if (!wide) return;
      said = make("p", { class: "more", "aria-hidden": "true" }, "goes on to the right: push it sideways →");
      box.before(said);
      box.addEventListener("scroll", () => sign(box), { passive: true });
    }
    const end = !wide || box.scrollLeft + box.clientWidth >= box.scrollWidth - 2;
    said.classList.toggle("end", end);
    box.classList.toggle("cut", !end);
  }

  // ---- the look-up ----
  async function unpack(id) {
    const packed = atob(document.getElementById(id).textContent.trim());
    const bytes = Uint8Array.from(packed, (mark) => mark.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function lookUp(place) {
    const id = place.dataset.book;
    const level = Number(place.dataset.level);
    const note = place.querySelector("p");
    if (typeof DecompressionStream === "undefined") {
      note.textContent = "This browser is too old for the look-up; responses.csv holds the numbers.";
      return;
    }
    note.remove();
    const search = make("input", { type: "search", id: `${id}-search`, autocomplete: "off" });
    const inside = make("input", { type: "checkbox", id: `${id}-inside` });
    const flagged = make("input", { type: "checkbox", id: `${id}-flagged` });
    const sort = make("select", { id: `${id}-sort` });
    const count = make("p", { role: "status" }, "Type to find trials, or show them all.");
    const all = make("button", { type: "submit" }, "Show trials");
    const form = make("form", { role: "search", "aria-label": `Find trials${place.dataset.of}` },
      make("div", null, make("label", { for: search.id }, "Find (any words of a row)"), search),
      make("div", null, make("label", { for: sort.id }, "Sort by"), sort),
      make("label", null, inside, " also in prompts and answers"),
      make("label", null, flagged, " only flagged"),
      all);
    const found = make("div", { class: "found", hidden: true, role: "group", "aria-label": "Trials found" });
    const more = make("button", { type: "button", hidden: true }, "Show more");
    const detail = make("div");
    place.append(form, count, found, more, detail);

    let book = null;
    let loading = null;
    let matches = [];
    let shownRows = 0;
    const columns = () => book.columns.length;
    sort.append(make("option", { value: "row" }, "row"));

    function load() {
      loading = loading || unpack(id).then((content) => {
        book = content;
        book.texts = new Map();
        book.columns.forEach((name, i) => sort.append(make("option", { value: i }, visible(name))));
        if (book.asked.some((asked) => asked.options)) {
          sort.append(make("option", { value: "mass" }, "lowest mass"));
        }
      });
      return loading;
    }

    function records(trial) {
      return book.trials[trial].slice(columns()).map((number) => book.records[number]);
    }

    function lowest(trial) {
      const known = records(trial).map((record) => record.m).filter((mass) => typeof mass === "number");
      return known.length ? Math.min(...known) : null;
    }

    function haystack(trial, deep) {
      const name = `${trial} ${deep}`;
      if (!book.texts.has(name)) {
        const parts = book.trials[trial].slice(0, columns());
        if (deep) records(trial).forEach((record) => parts.push(record.text || "", record.r || ""));
        book.texts.set(name, `row ${trial + 1} ${parts.join("\n")}`.toLowerCase());
      }
      return book.texts.get(name);
    }

    async function find() {
      clearTimeout(waiting); // else a search while typing would come after this one
      await load();
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const flag = columns() - 1;
      matches = book.trials.map((_, trial) => trial).filter((trial) =>
        (!flagged.checked || book.trials[trial][flag]) &&
        words.every((word) => haystack(trial, inside.checked).includes(word)));
      if (sort.value !== "row") {
        const by = sort.value === "mass" ? lowest : (trial) => book.trials[trial][Number(sort.value)];
        const keys = new Map(matches.map((trial) => [trial, by(trial)]));
        matches.sort((a, b) => order(keys.get(a), keys.get(b), false) || a - b);
      }
      shownRows = 0;
      const head = ["row", ...book.columns].map((name) => make("th", { scope: "col" }, visible(name)));
      found.replaceChildren(make("table", null,
        make("thead", null, make("tr", null, ...head)), make("tbody", null)));
      found.hidden = matches.length === 0;
      const left = book.left_out ? ` Of this large run the first ${book.trials.length} trials are here; ${book.left_out} more are in the tables.` : "";
      const why = book.why ? ` Not all prompts are here: ${visible(book.why)}.` : "";
      count.textContent = `${matches.length} of ${book.trials.length} trials.${left}${why}`;
      extend();
    }

    function extend() {
      const body = found.querySelector("tbody");
      for (const trial of matches.slice(shownRows, shownRows + PAGE)) {
        const open = make("button", { type: "button" }, `row ${trial + 1}`);
        open.addEventListener("click", () => show(trial));
        const cells = book.trials[trial].slice(0, columns()).map((cell) => make("td", null, visible(cell)));
        body.append(make("tr", null, make("td", null, open), ...cells));
      }
      shownRows = Math.min(shownRows + PAGE, matches.length);
      more.hidden = shownRows >= matches.length;
      more.textContent = `Show more (${matches.length - shownRows} left)`;
      reach();
    }

    function show(trial) {
      const title = make(`h${level}`, { tabindex: "-1", id: `${id}-trial` }, `Row ${trial + 1}`);
      const values = book.columns.map((name, i) => [name, book.trials[trial][i]]).filter(([, v]) => v !== "");
      const facts = make("dl", null, ...values.flatMap(([name, value]) =>
        [make("dt", null, visible(name)), make("dd", null, visible(value))]));
      const parts = records(trial).map((record, i) => told(record, book.asked[i], level + 1));
      detail.replaceChildren(make("section", { class: "trial", "aria-labelledby": title.id }, title, facts, ...parts.flat()));
      title.focus();
      reach();
    }

    function told(record, asked, at) {
      const parts = [make(`h${at}`, null, visible(asked.label))];
      if (record.f) parts.push(make("p", { class: "grave" }, visible(record.f)));
      parts.push(asked.options ? distribution(record, asked) : raw(record, asked));
      if (record.text !== undefined) {
        const note = record.length ? ` The first ${record.text.length} of ${record.length} characters.` : "";
        const whole = make("pre", { tabindex: "0" });
        write(whole, record.text);
        parts.push(make("details", null, make("summary", null, `The prompt (${record.n} tokens)`), whole,
          make("p", null, "Last tokens before the answer: ", ...record.last.map(token), note)));
      }
      return parts;
    }

    function write(place, text) {
      const plain = visible(text);
      place.textContent = plain.slice(0, LONG);
      if (plain.length <= LONG) return;
      const button = make("button", { type: "button" }, `show all ${plain.length} characters`);
      button.addEventListener("click", () => { place.textContent = plain; });
      place.append(" … ", button);
    }

    function token(number) {
      const text = book.spelling[number];
      return make("span", { class: "token" }, text === undefined ? `#${number}` : visible(text));
    }

    function distribution(record, asked) {
      const bounded = record.low !== undefined;
      const head = ["answer", "probability", "", bounded ? "bounds" : null, "log-probability", "tokens, each with its log-probability"];
      const spelt = asked.options.map(() => []);
      let at = 0;
      (record.forms === undefined ? [] : book.forms[record.forms]).forEach(([option, , ids]) => {
        const line = make("div", null);
        ids.forEach((number) => {
          line.append(number < 0 ? make("span", { class: "token" }, "?") : token(number),
            ` ${shown(record.x[at])} `);
          at += 1;
        });
        spelt[option].push(line);
      });
      const rows = asked.options.map((option, i) => {
        const p = record.p[i];
        const bar = make("span", { class: "bar", "aria-hidden": "true" });
        bar.style.width = `${(p || 0) * 7}rem`;
        return make("tr", null, make("th", { scope: "row" }, visible(option)),
          make("td", { class: p === null ? "n missing" : "n" }, shown(p)), make("td", null, p ? bar : ""),
          bounded ? make("td", { class: "n" }, `${shown(record.low[i])} to ${shown(record.high[i])}`) : null,
          make("td", { class: "n" }, shown(record.l[i])), make("td", { class: "tokens" }, ...spelt[i]));
      });
      const caption = `Mass ${shown(record.m)}${record.w ? `, method ${record.w}` : ""}`;
      return make("div", { class: "scroll", role: "group", "aria-label": visible(asked.label) }, make("table", null,
        make("caption", null, caption),
        make("thead", null, make("tr", null, ...head.filter((name) => name !== null).map((name) =>
          name ? make("th", { scope: "col" }, name) : make("td")))),
        make("tbody", null, ...rows)));
    }

    function raw(record, asked) {
      const answer = make("pre", { tabindex: "0" });
      if (record.r === null || record.r === undefined) answer.textContent = "missing";
      else write(answer, record.r);
      const cut = record.cut ? make("p", null, `The first ${record.r.length} of ${record.cut} characters.`) : "";
      const fields = asked.fields.flatMap((name, i) => [make("dt", null, visible(name)),
        make("dd", null, record.v[i] === null ? "missing" : visible(record.v[i]))]);
      return make("div", null, answer, cut,
        make("dl", null, make("dt", null, "parse status"), make("dd", null, visible(record.s || "missing")), ...fields));
    }

    let waiting = 0;
    function soon() {
      clearTimeout(waiting);
      waiting = setTimeout(find, 120);
    }
    form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
    search.addEventListener("focus", load);
    search.addEventListener("input", soon);
    [inside, flagged, sort].forEach((control) => control.addEventListener("change", find));
    more.addEventListener("click", extend);
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".lookup").forEach(lookUp);
  reach();
  addEventListener("resize", reach);
  // Paper has no way of opening what is closed.
  addEventListener("beforeprint", () => document.querySelectorAll("details.paper").forEach((box) => { box.open = true; }));
  document.querySelectorAll("details").forEach((box) => box.addEventListener("toggle", reach));
})();
