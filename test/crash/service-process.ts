// bench/ still looks here; it is to import the file itself.
export * from '../support/service-process.ts';
