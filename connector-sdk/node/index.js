// The SDK for connectors of emprops-worker, see README.md. Importing it takes stdin and stdout away from everybody
// else in this process if the worker has started it (src/stdio_guard.js): so import it first.
import './src/stdio_guard.js';

export { ConfigurationError, JobFailure, RawResult } from './src/errors.js';
export { Members } from './src/members.js';
export { runConnector } from './src/run_connector.js';
export { runProgram } from './src/run_program.js';
