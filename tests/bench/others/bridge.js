'use strict';
// The bridge one writes in an afternoon: everything that is published comes to each of these processes, over one exclusive
// queue bound `#`, and a map says who wants it. `node bridge.js PORT AMQP-URI`; clients connect to /?room=R&user=U, take
// each message as a text frame, and send nothing.

const amqp = require('amqplib');
const { WebSocketServer } = require('ws');

const members = new Map(); // routing key -> set of sockets

function join(key, socket) {
	if (!members.has(key)) members.set(key, new Set());
	members.get(key).add(socket);
	socket.on('close', () => leave(key, socket));
}

function leave(key, socket) {
	const sockets = members.get(key);
	sockets.delete(socket);
	if (sockets.size === 0) members.delete(key);
}

function fanOut(message) {
	const sockets = members.get(message.fields.routingKey);
	if (!sockets) return;
	const text = message.content.toString();
	for (const socket of sockets) socket.send(text);
}

async function consume(uri) {
	const connection = await amqp.connect(uri);
	const channel = await connection.createChannel();
	const { queue } = await channel.assertQueue('', { exclusive: true });
	for (const exchange of ['grid.rooms', 'grid.users']) await channel.bindQueue(queue, exchange, '#');
	await channel.consume(queue, fanOut, { noAck: true });
}

async function main(port, uri) {
	await consume(uri);
	const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port), backlog: 4096 });
	server.on('connection', (socket, request) => {
		const query = new URL(request.url, 'ws://localhost').searchParams;
		for (const kind of ['room', 'user']) {
			if (query.has(kind)) join(`${kind}.${query.get(kind)}`, socket);
		}
	});
}

main(...process.argv.slice(2));
