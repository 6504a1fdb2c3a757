import { daysFromNow, makeAuthority, testPki } from '@tidings/testing';
import { type Mutant, mutant } from './mutant.ts';

/** Receivers whose TLS or certificate has a fault. */
export const TLS_MUTANTS: readonly Mutant[] = [
  mutant('speaks TLS 1.2 only', 'TPP-TLS-02', { tls: { maxVersion: 'TLSv1.2' } }),
  mutant('speaks TLS 1.1', 'TPP-TLS-03', { tls: { minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } }),
  mutant('speaks TLS 1.0', 'TPP-TLS-04', { tls: { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } }),
  mutant('offers no encryption', 'TPP-TLS-05', { tls: { ciphers: 'ALL:eNULL@SECLEVEL=0' } }),
  mutant('has a certificate of an unknown authority', 'TPP-TLS-06', async () => {
    const authority = await makeAuthority('Unknown');
    return { tls: (await authority.issue()).tls };
  }),
  mutant('has a certificate for another host', 'TPP-TLS-07', async () => {
    const { authority } = await testPki();
    return { tls: (await authority.issue({ name: 'elsewhere.example', dns: 'elsewhere.example' })).tls };
  }),
  mutant('has a certificate that has expired', 'TPP-TLS-08', async () => {
    const { authority } = await testPki();
    return { tls: (await authority.issue(daysFromNow(-3, -1))).tls };
  }),
  mutant(
    'has a certificate that expires soon',
    'TPP-TLS-09',
    async () => {
      const { authority } = await testPki();
      return { tls: (await authority.issue(daysFromNow(-3, 2))).tls };
    },
    { certificateDaysMin: 14 },
  ),
  mutant('has a key of 1024 bits', 'TPP-TLS-10', async () => {
    const { authority } = await testPki();
    return { tls: { ...(await authority.issue({ rsaBits: 1024 })).tls, ciphers: 'DEFAULT@SECLEVEL=0' } };
  }),
  mutant('demands a client certificate', 'TPP-TLS-11', async () => {
    const { caPem } = await testPki();
    return { tls: { requestCert: true, rejectUnauthorized: true, ca: caPem } };
  }),
];
