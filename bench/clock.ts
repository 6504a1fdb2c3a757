const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds of the system's monotonic clock, which all processes share. */
export function machineNowMs(): number {
  return OFFSET_MS + performance.now();
}
