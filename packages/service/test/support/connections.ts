/** What a listener says of its connections, where a test does not mind. */
export const CONNECTIONS = { firstRequestTimeoutMs: 5000, keepAliveTimeoutMs: 5000, connectionsPerAddressMax: 100 };
