// Lines to the supervisor, written whole and at once, so that process.exit() loses none. Two threads write (the
// connector's, and the reader, which answers pings): a lock in shared memory keeps their lines apart. The descriptor
// does not block: a wait can be ended, a write could not be.
import fs from 'node:fs';

const retryMs = 1;

export class Outgoing {
    #lock;
    #broken = false;

    /** `lock`: an Int32Array(2) in shared memory, [taken, never changes]. `onBroken` is called once, later. */
    constructor(fd, lock, onBroken = () => {}) {
        this.fd = fd;
        this.#lock = lock;
        this.onBroken = onBroken;
    }

    write(text) {
        if (this.#broken) return;
        const bytes = Buffer.from(`${text}\n`);
        while (Atomics.compareExchange(this.#lock, 0, 0, 1) !== 0) Atomics.wait(this.#lock, 0, 1, 50);
        try {
            for (let at = 0; at < bytes.length;) at += this.#some(bytes, at);
        } catch {
            this.#broken = true;
            setImmediate(this.onBroken);
        } finally {
            Atomics.store(this.#lock, 0, 0);
            Atomics.notify(this.#lock, 0, 1);
        }
    }

    #some(bytes, at) {
        try {
            return fs.writeSync(this.fd, bytes, at);
        } catch (error) {
            if (error.code !== 'EAGAIN' && error.code !== 'EINTR') throw error;
            Atomics.wait(this.#lock, 1, 0, retryMs);
            return 0;
        }
    }
}
