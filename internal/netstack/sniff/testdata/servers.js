// An HTTP and a TLS server that say what they took a client's bytes for.
const fs = require('fs'), http = require('http'), tls = require('tls'), path = process.argv[2];
const pem = (name) => ({ key: fs.readFileSync(`${path}/${name}.pem`), cert: fs.readFileSync(`${path}/${name}.pem`) });
const evil = tls.createSecureContext({ ...pem('evil'), maxVersion: 'TLSv1.2' });
const target = (url) => url.startsWith('/') ? '' : url;
const web = http.createServer((req, res) => {
  const hosts = req.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1].toLowerCase() === 'host');
  res.end(`SERVED:${hosts} ${target(req.url)}\n`);
});
web.on('clientError', (_, socket) => socket.destroy());
web.on('connect', (req, socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\nSERVED:${req.headers.host} ${target(req.url)}\n`));
web.on('upgrade', (req, socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\nSERVED:${req.headers.host} ${target(req.url)}\n`));
const secure = tls.createServer({
  ...pem('plain'), maxVersion: 'TLSv1.2',
  SNICallback: (name, done) => done(null, name.toLowerCase().replace(/\.$/, '') === 'evil.example' ? evil : undefined),
});
secure.on('tlsClientError', () => {});
web.listen(`${path}/node.http`, () => secure.listen(`${path}/node.tls`, () => console.log('ready')));
process.stdin.on('end', () => process.exit()).resume();
