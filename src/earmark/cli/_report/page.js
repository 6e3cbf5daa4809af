"use strict";
// The page works without this script (figures, lanes, list); it adds playing, seeking and zoom.
(() => {
  const find = (id) => document.getElementById(id);
  const [line, scroll, head, axis, now, play] =
    ["line", "scroll", "head", "axis", "now", "play"].map(find);
  const sound = find("sound");
  const start = Number(line.dataset.start);
  const end = Number(line.dataset.end);
  const rows = [...document.querySelectorAll("#turns button")];
  const turns = rows.map((row) => ({
    row,
    start: Number(row.dataset.s),
    end: Number(row.dataset.e),
    name: row.dataset.n,
  }));
  const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
  let position = start;
  let zoom = 1;
  let stopAt = null; // the end of the turn that was asked for

  const clock = (seconds, tenths = false) => {
    const whole = tenths ? Math.floor(seconds * 10) / 10 : Math.round(seconds);
    const h = Math.floor(whole / 3600);
    const m = Math.floor((whole % 3600) / 60);
    const s = (whole % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
    return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
  };
  const speaking = (time) => turns.filter((turn) => turn.start <= time && time < turn.end);

  function show(time, follow = true) {
    position = Math.min(end, Math.max(start, time));
    head.style.left = `${((position - start) / (end - start)) * 100}%`;
    now.value = `${clock(position, true)} / ${clock(end)}`;
    const talking = speaking(position);
    const names = talking.map((turn) => turn.name).join(" and ");
    line.setAttribute("aria-valuenow", position.toFixed(1));
    line.setAttribute("aria-valuetext", clock(position) + (names ? `, ${names}` : ", nobody"));
    for (const row of document.querySelectorAll("#turns [aria-current]")) {
      if (!talking.some((turn) => turn.row === row)) row.removeAttribute("aria-current");
    }
    for (const turn of talking) turn.row.setAttribute("aria-current", "true");
    if (follow && zoom > 1) {
      const x = ((position - start) / (end - start)) * line.offsetWidth;
      if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth) {
        scroll.scrollLeft = x - scroll.clientWidth * 0.1;
      }
    }
  }

  function seek(time) {
    stopAt = null;
    show(time);
    if (sound) sound.currentTime = position - start;
  }

  function playTurn(turn) {
    seek(turn.start);
    if (!sound) return;
    stopAt = turn.end;
    startPlaying();
  }

  function startPlaying() {
    sound.play().catch(() => {}); // paused again before it began
  }

  function toggle() {
    if (!sound) return;
    stopAt = null;
    if (sound.paused) startPlaying();
    else sound.pause();
  }

  function ticks() {
    axis.replaceChildren();
    const perSecond = line.offsetWidth / (end - start);
    const step = STEPS.find((s) => s * perSecond >= 72) || STEPS[STEPS.length - 1];
    for (let time = Math.ceil(start / step) * step; time < end; time += step) {
      const tick = document.createElement("span");
      tick.style.left = `${((time - start) / (end - start)) * 100}%`;
      tick.textContent = clock(time, step < 1);
      axis.append(tick);
    }
  }

  function setZoom(factor) {
    const most = Math.max(1, ((end - start) * 200) / scroll.clientWidth); // 200 px a second
    zoom = Math.min(most, Math.max(1, factor));
    line.style.width = `${zoom * 100}%`;
    const x = ((position - start) / (end - start)) * line.offsetWidth;
    scroll.scrollLeft = x - scroll.clientWidth / 2;
    ticks();
  }

  line.addEventListener("click", (event) => {
    const turn = turns[Number(event.target.dataset.t ?? NaN)];
    const box = line.getBoundingClientRect();
    if (turn) playTurn(turn);
    else seek(start + ((event.clientX - box.left) / box.width) * (end - start));
  });
  for (const turn of turns) turn.row.addEventListener("click", () => playTurn(turn));

  line.addEventListener("keydown", (event) => {
    const moves = {
      ArrowLeft: position - 5, ArrowRight: position + 5, ArrowDown: position - 5,
      ArrowUp: position + 5, PageDown: position - 30, PageUp: position + 30, Home: start, End: end,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    seek(moves[event.key]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target instanceof HTMLButtonElement;
    if (event.key === " " && !onButton) toggle();
    else if (event.key === "+" || event.key === "=") setZoom(zoom * 2);
    else if (event.key === "-") setZoom(zoom / 2);
    else if (event.key === "n") step(1);
    else if (event.key === "p") step(-1);
    else return;
    event.preventDefault();
  });

  function step(by) {
    const next = by > 0
      ? turns.find((turn) => turn.start > position + 0.01)
      : turns.findLast((turn) => turn.start < position - 1);
    if (next) playTurn(next);
  }

  // One stop for the Tab key in a list of thousands; arrows move inside it.
  rows.forEach((row, index) => { row.tabIndex = index ? -1 : 0; });
  find("turns").addEventListener("keydown", (event) => {
    const index = rows.indexOf(event.target);
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 };
    const row = index >= 0 && event.key in to ? rows[to[event.key]] : null;
    if (!row) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  });

  find("in").addEventListener("click", () => setZoom(zoom * 2));
  find("out").addEventListener("click", () => setZoom(zoom / 2));
  find("fit").addEventListener("click", () => setZoom(1));
  new ResizeObserver(ticks).observe(scroll);
  find("bar").hidden = false;

  if (sound) {
    sound.controls = false;
    play.addEventListener("click", toggle);
    sound.addEventListener("play", () => { play.textContent = "Pause"; requestAnimationFrame(tick); });
    sound.addEventListener("pause", () => { play.textContent = "Play"; });
  } else {
    play.hidden = true;
  }
  function tick() {
    if (stopAt !== null && start + sound.currentTime >= stopAt) {
      sound.pause();
      stopAt = null;
    }
    show(start + sound.currentTime);
    if (!sound.paused) requestAnimationFrame(tick);
  }
  show(start);
  ticks();
})();
