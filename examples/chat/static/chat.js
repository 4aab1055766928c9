"use strict";

const element = (id) => document.getElementById(id);
const text = { came: () => " came in", left: () => " left", said: (message) => `: ${message.text}` };
let socket = null, pause = 500;

function connect(name) {
  socket = new WebSocket(`${TALK}?name=${encodeURIComponent(name)}`);
  socket.onopen = () => {
    pause = 500;
    element("state").textContent = "connected";
    element("enter").hidden = true;
    element("say").hidden = false;
    element("text").focus();
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data), line = document.createElement("li"), who = document.createElement("b");
    who.textContent = message.name;
    line.className = message.kind;
    line.append(who, text[message.kind](message)); // text nodes: nothing that anybody says becomes HTML
    element("messages").append(line);
    line.scrollIntoView();
  };
  socket.onclose = (event) => {
    element("state").textContent = `closed (${event.code}${event.reason ? " " + event.reason : ""}), trying again`;
    setTimeout(() => connect(name), pause);
    pause = Math.min(pause * 2, 10000);
  };
}

element("enter").onsubmit = (event) => {
  event.preventDefault();
  connect(element("name").value);
};
element("say").onsubmit = (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({ text: element("text").value }));
  element("text").value = "";
};
