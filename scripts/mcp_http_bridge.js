#!/usr/bin/env node
// Starts the stdio bridge for an MCP client: `scopegate bridge` with the same
// flags (--help lists them), on this process's standard input and output.
//
// The program is SCOPEGATE_BIN, or else the first of these that is there:
// ../target/release/scopegate and ../target/debug/scopegate next to this
// file's folder, scopegate in this file's folder, scopegate in PATH.
//
// It exits as the bridge does, and with 2 when there is no bridge to start.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const NAME = process.platform === 'win32' ? 'scopegate.exe' : 'scopegate';

function isProgram(file) {
    try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
    } catch {
        return false;
    }
}

function findProgram() {
    const named = process.env.SCOPEGATE_BIN;
    if (named) return isProgram(named) ? named : undefined;
    // A link to this file may lie anywhere; what counts is the file.
    const here = path.dirname(fs.realpathSync(__filename));
    const inPath = (process.env.PATH || '').split(path.delimiter).filter(Boolean);
    return [
        path.join(here, '..', 'target', 'release', NAME),
        path.join(here, '..', 'target', 'debug', NAME),
        path.join(here, NAME),
        ...inPath.map(folder => path.join(folder, NAME)),
    ].find(isProgram);
}

function fail(why) {
    process.stderr.write(`mcp_http_bridge: ${why}\n`);
    process.exit(2);
}

const program = findProgram();
if (!program) {
    fail(process.env.SCOPEGATE_BIN
        ? `SCOPEGATE_BIN is no program: ${process.env.SCOPEGATE_BIN}`
        : `cannot find ${NAME}: build it (cargo build --release), put it into PATH, or set SCOPEGATE_BIN`);
}

const bridge = spawn(program, ['bridge', ...process.argv.slice(2)], { stdio: 'inherit' });
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
for (const signal of signals) process.on(signal, () => bridge.kill(signal));
bridge.on('error', error => fail(`cannot start ${program}: ${error.message}`));
bridge.on('exit', (code, signal) => {
    // 128 + n is what shells make of an end by signal n.
    process.exit(signal ? 128 + os.constants.signals[signal] : code);
});
