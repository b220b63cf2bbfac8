// What a connector says that somebody starts by hand, and the answer to --check-settings. Pure but for the latter's
// checkSettings(), which is the author's.
import path from 'node:path';
import { errorOf } from './errors.js';
import { publicSettings } from './session.js';

export function nameOfProgram(file) {
    return path.basename(file ?? 'connector').replace(/\.[cm]?[jt]s$/, '').replace(/^emprops-connector-/, '') || 'connector';
}

function help(name, program) {
    return `This is "${name}", a connector for emprops-worker. It is not used by hand: the worker starts it and talks to it
over stdin and stdout, one JSON object per line.

To use it, name it in the worker's configuration, in emprops-worker.toml:
    [connectors.${name}]
    command = ["node", "${program}"]

To try it without a worker, send it the worker's first line; it answers with \`ready\` and takes jobs:
    (echo '{"type":"hello","protocol_versions":[1]}'; cat) | EMPROPS_CONNECTOR=1 node ${program}

Options: --help, --version
`;
}

/** {text, code, error: to stderr}, or null: the worker has started it. */
export function answerByHand({ name, version, program, args, fromWorker }) {
    if (args.includes('--version')) return { text: `${name} ${version || '(no version)'}\n`, code: 0 };
    if (args.includes('--help') || args.includes('-h')) return { text: help(name, program), code: 0 };
    return fromWorker ? null : { text: help(name, program), code: 64, error: true };
}

/** The line that answers --check-settings; `hello` is the line that a supervisor would send. */
export async function checkedSettings(connector, hello) {
    const answer = { type: 'settings_checked', warnings: [] };
    try {
        answer.warnings = [...(await connector.checkSettings?.(publicSettings(JSON.parse(hello))) ?? [])].map(String);
    } catch (error) {
        answer.error = errorOf(error).message;
    }
    return JSON.stringify(answer);
}
