// Starts the memdesk that is installed on this computer and passes the host's lines to it. Where
// there is none, it is a server with one tool that says how to install it. Node's own modules only.
"use strict";

const { spawn } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const VERSION = "0.0.0";
const WINDOWS = process.platform === "win32";
const PROGRAM = WINDOWS ? "memdesk.exe" : "memdesk";
const HOW = [
  "memdesk is not installed on this computer, or not where this extension looks.",
  "To install it, in a terminal, in a folder with memdesk's source: scripts/start",
  "or: uv tool install memdesk, or: pipx install memdesk.",
  "Then switch this extension off and on again. If it is installed already, name its program in the",
  "extension's settings: `memdesk paths` in a terminal tells whether it runs.",
].join("\n");

// What the host's settings leave empty may come as it is written in the manifest.
function given(name) {
  const value = process.env[name] || "";
  return value.startsWith("${") ? "" : value;
}

// The folders in `folder` whose names match, the newest version first.
function under(folder, pattern) {
  try {
    const names = fs.readdirSync(folder).filter((name) => pattern.test(name));
    names.sort((one, other) => other.localeCompare(one, undefined, { numeric: true }));
    return names.map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

// Where installers put programs: apps that are started from a menu have a short PATH.
function usualFolders() {
  const home = os.homedir();
  const folders = (process.env.PATH || "").split(path.delimiter).filter(path.isAbsolute);
  folders.push(path.join(home, ".local", "bin"), path.join(home, "bin"));
  if (WINDOWS) {
    const roaming = process.env.APPDATA || path.join(home, "AppData", "Roaming");
    const local = process.env.LOCALAPPDATA || path.join(home, "AppData", "Local");
    folders.push(path.join(roaming, "uv", "tools", "memdesk", "Scripts"));
    for (const root of [path.join(roaming, "Python"), path.join(local, "Programs", "Python")]) {
      folders.push(...under(root, /^Python\d+/).map((each) => path.join(each, "Scripts")));
    }
    return folders;
  }
  folders.push("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin");
  const data = process.env.XDG_DATA_HOME || path.join(home, ".local", "share");
  folders.push(path.join(data, "uv", "tools", "memdesk", "bin"));
  folders.push(path.join(data, "pipx", "venvs", "memdesk", "bin"));
  folders.push(path.join(home, ".local", "pipx", "venvs", "memdesk", "bin"));
  const frameworks = under(path.join(home, "Library", "Python"), /^3\./);
  return folders.concat(frameworks.map((each) => path.join(each, "bin")));
}

function isProgram(file) {
  try {
    fs.accessSync(file, WINDOWS ? fs.constants.F_OK : fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function find() {
  const named = given("MEMDESK_PROGRAM");
  const usual = usualFolders().map((folder) => path.join(folder, PROGRAM));
  return [...(named ? [named] : []), ...usual].find(isProgram);
}

function start(program) {
  const env = { ...process.env };
  delete env.MEMDESK_PROGRAM;
  if (!given("MEMDESK_HOME")) delete env.MEMDESK_HOME;
  const child = spawn(program, ["mcp"], { env, stdio: "pipe", windowsHide: true });
  child.once("error", () => explain());
  child.once("spawn", () => {
    for (const stream of [child.stdin, process.stdout, process.stderr]) {
      stream.on("error", () => {}); // the other side has gone, which ends us by the lines below
    }
    process.stdin.pipe(child.stdin);
    child.stdout.pipe(process.stdout);
    child.stderr.pipe(process.stderr);
    child.once("close", (code) => process.exit(code === null ? 1 : code));
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
      process.once(signal, () => child.kill(signal));
    }
  });
}

const HELP = {
  name: "install_memdesk",
  description: "Say how the user installs memdesk, which this extension needs and does not find.",
  inputSchema: { type: "object", properties: {} },
};

function result(method, params) {
  if (method === "initialize") {
    return {
      protocolVersion: (params && params.protocolVersion) || "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "memdesk", version: VERSION },
      instructions: HOW,
    };
  }
  if (method === "ping") return {};
  if (method === "tools/list") return { tools: [HELP] };
  if (method === "tools/call") return { content: [{ type: "text", text: HOW }] };
  return undefined;
}

function answer(line) {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return { jsonrpc: "2.0", id: null, error: { code: -32700, message: "this is no JSON" } };
  }
  const { id, method, params } = message || {};
  if (id === undefined || method === undefined) return undefined;
  const told = result(method, params);
  if (told !== undefined) return { jsonrpc: "2.0", id, result: told };
  return { jsonrpc: "2.0", id, error: { code: -32601, message: `there is no method ${method}` } };
}

function explain() {
  process.stderr.write("memdesk was not found on this computer\n");
  const lines = require("readline").createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const told = line.trim() && answer(line);
    if (told) process.stdout.write(`${JSON.stringify(told)}\n`);
  });
}

const program = find();
if (program) start(program);
else explain();
