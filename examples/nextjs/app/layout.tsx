import type { ReactNode } from 'react';

export const metadata = { title: 'Bulkhead and Next.js' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body style={{ fontFamily: 'system-ui', margin: '3rem auto', maxWidth: '40rem' }}>
        {children}
      </body>
    </html>
  );
}
