export * from './certificates.ts';
export * from './http-client.ts';
export * from './jws.ts';
export * from './participants.ts';
export * from './servers.ts';
export * from './signing-keys.ts';
export * from './temporary-folder.ts';
export * from './waiting.ts';
