// Times that may have no end.

const longest = 2 ** 31 - 1;  // setTimeout() makes 1 ms of more, and of Infinity

/** setTimeout(); undefined, and nothing is ever called, for more than 24 days, null and undefined. */
export function after(milliseconds, callback) {
    if (milliseconds === null || milliseconds === undefined || milliseconds > longest) return undefined;
    return setTimeout(callback, milliseconds);
}
