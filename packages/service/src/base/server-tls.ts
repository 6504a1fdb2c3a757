import type { SecureContextOptions } from 'node:tls';

/**
 * TLS of every server of ours, beside its certificate: 1.3, and of 1.2 what FAPI 1.0 Advanced section 8.5 leaves, which is
 * AES-GCM with forward secrecy. The ECDSA pair is the same for a certificate with such a key. Of the two finite-field
 * pairs that it leaves there is none: each handshake costs the server many times what it costs the client.
 */
export const SERVER_TLS = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
  ].join(':'),
} as const satisfies SecureContextOptions;
