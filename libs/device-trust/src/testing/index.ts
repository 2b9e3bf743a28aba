export { type CertificateWish, makeCa, makeCertificate, makeCrl, type TestCertificate } from './make-certificate.ts';
