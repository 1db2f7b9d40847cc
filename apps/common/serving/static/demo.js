"use strict";

// The form of a run: sends it, and shows the lines that come back.
const $ = (id) => document.getElementById(id);
const form = $("form"), output = $("output"), status = $("status");
const file = form.querySelector("input[type=file]");
const text = form.querySelector("textarea");
const LOADING = "Loading the model …", WORKING = "Working …";
let running = null, chosen = null, loaded = false;

function fail(where, line) {
  where.textContent = line;
  where.hidden = !line;
}

function body() {
  const values = {};
  for (const field of form.querySelectorAll("[name]")) {
    if (field.type === "file") continue;
    values[field.name] = field.type === "checkbox" ? field.checked
      : field.type === "number" ? Number(field.value) : field.value;
  }
  if (!file) {
    return ["", {body: JSON.stringify(values),
      headers: {"Content-Type": "application/json"}}];
  }
  return ["?" + new URLSearchParams(values), {body: chosen,
    headers: {"Content-Type": "application/octet-stream"}}];
}

async function load() {
  const hint = status.textContent;
  status.textContent = LOADING;
  try {
    const response = await fetch("/ready" + location.pathname);
    if (!response.ok) fail($("error"), (await response.json()).error);
  } catch {
    fail($("error"), "the server does not answer");
  }
  loaded = true;
  if (status.textContent === LOADING) status.textContent = running ? WORKING : hint;
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

async function send() {
  running?.abort();
  fail($("error"), "");
  if (file && !chosen) return fail($("error"), "choose a file first");
  if (file && chosen.size > Number(file.dataset.most)) {
    return fail($("error"), `${chosen.name} has ${chosen.size.toLocaleString("en")} bytes;` +
      ` at most ${Number(file.dataset.most).toLocaleString("en")}`);
  }
  const mine = running = new AbortController();
  const begun = performance.now();
  status.textContent = loaded ? WORKING : LOADING;
  output.setAttribute("aria-busy", "true");
  $("stop").hidden = false;
  try {
    const [query, options] = body();
    const response = await fetch(location.pathname + query,
      {method: "POST", signal: mine.signal, ...options});
    if (!response.ok) throw new Error((await response.json()).error);
    for await (const line of lines(response)) {
      if (line.error) throw new Error(line.error);
      output.innerHTML = line.html;  // the server has escaped it
      output.hidden = false;
    }
    const taken = performance.now() - begun;
    status.textContent = taken < 1000 ? `${Math.round(taken)} ms` : `${(taken / 1000).toFixed(1)} s`;
  } catch (error) {
    if (mine !== running) return;
    status.textContent = "";
    if (error.name !== "AbortError") {
      output.hidden = true;
      fail($("error"), error instanceof TypeError ? "the server does not answer" : error.message);
    }
  } finally {
    if (mine === running) {
      output.setAttribute("aria-busy", "false");
      $("stop").hidden = true;
      running = null;
    }
  }
}

function choose(files) {
  if (!files.length) return;
  chosen = files[0];
  $("chosen").textContent = chosen.name;
  send();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  if (event.key === "Escape") running?.abort();
});
$("stop").addEventListener("click", () => running?.abort());
for (const button of form.querySelectorAll(".examples button")) {
  button.addEventListener("click", () => {
    text.value = button.title;
    form.requestSubmit();
  });
}
if (file) {
  const drop = $("drop");
  file.addEventListener("change", () => choose(file.files));
  document.addEventListener("paste", (event) => choose(event.clipboardData.files));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") choose(event.dataTransfer.files);
    });
  }
}

load();

// Live video: a frame is sent when the answer to the one before has come.
if ($("live")) {
  const video = $("screen").querySelector("video"), canvas = document.createElement("canvas");
  let socket = null;

  function end() {
    socket?.close();
    socket = null;
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    video.pause();
    $("live-stop").hidden = true;
  }

  async function frame() {
    const most = 320 / Math.max(video.videoWidth, video.videoHeight, 320);
    canvas.width = Math.max(1, video.videoWidth * most);
    canvas.height = Math.max(1, video.videoHeight * most);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  }

  async function follow(source) {
    end();
    fail($("error"), "");
    $("live-output").replaceChildren();
    try {
      await source();
      $("screen").hidden = false;
      $("live-stop").hidden = false;
      $("delay").textContent = "Loading the model …";
    } catch (error) {
      return fail($("error"), `no video: ${error.message}`);
    }
    const mine = socket = new WebSocket(location.origin.replace(/^http/, "ws") + form.dataset.live);
    const pause = 1000 / Number(form.dataset.fps);
    let sent = 0, delay = null;
    const next = async () => {
      if (mine !== socket || mine.readyState !== WebSocket.OPEN) return;
      if (video.ended) return end();
      const picture = await frame();
      sent = performance.now();
      if (mine.readyState === WebSocket.OPEN) mine.send(picture);
    };
    mine.onmessage = async (event) => {
      const line = JSON.parse(event.data);
      if (line.error) return fail($("error"), line.error);
      if (line.ready) {
        try {
          await video.play();
        } catch (error) {
          end();
          return fail($("error"), `the video cannot be played: ${error.message}`);
        }
        return next();
      }
      $("live-output").innerHTML = line.html;
      const now = performance.now() - sent;
      delay = delay === null ? now : 0.8 * delay + 0.2 * now;
      $("delay").textContent = `${Math.round(delay)} ms from frame to label`;
      setTimeout(next, Math.max(0, pause - now));
    };
    mine.onclose = () => {
      if (mine !== socket) return;
      if (!$("error").textContent) fail($("error"), "the server closed the live video");
      end();
    };
  }

  $("webcam").addEventListener("click", () => follow(async () => {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: true});
  }));
  $("played").addEventListener("change", () => follow(async () => {
    video.src = URL.createObjectURL($("played").files[0]);
  }));
  $("live-stop").addEventListener("click", end);
}
