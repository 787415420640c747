'use strict';
// Socket.IO with its Redis adapter, as its documentation sets it up. `node socketio.js PORT REDIS-URL`; clients emit
// `join` ROOM and `publish` ROOM PAYLOAD, both answered, and get `message` PAYLOAD.

const http = require('http');
const { createAdapter } = require('@socket.io/redis-adapter');
const { createClient } = require('redis');
const { Server } = require('socket.io');

async function main(port, url) {
	const publisher = createClient({ url });
	const subscriber = publisher.duplicate();
	await Promise.all([publisher.connect(), subscriber.connect()]);
	const server = http.createServer();
	const io = new Server(server, { adapter: createAdapter(publisher, subscriber), transports: ['websocket'] });
	io.on('connection', (socket) => {
		socket.on('join', (room, answer) => {
			socket.join(room);
			if (answer) answer();
		});
		socket.on('publish', (room, payload, answer) => {
			io.to(room).emit('message', payload);
			if (answer) answer();
		});
	});
	server.listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 });
}

main(...process.argv.slice(2));
