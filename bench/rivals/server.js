// GET /api/v1/users/me with Express 5, as its documentation and those of jsonwebtoken, Sequelize and
// pg show it: a token is verified and the account read, in one process.
//
// Usage: node server.js sequelize|pg. From the environment: KEY_FILE (the RSA key that signs the tokens)
// and PGHOST, PGUSER, PGDATABASE. Prints the port that it took.
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

import express from 'express';
import jwt from 'jsonwebtoken';

const key = createPublicKey(readFileSync(process.env.KEY_FILE));

// Ten connections, as many as InferNode's own pool has.
const readers = {
  async sequelize() {
    const { DataTypes, Sequelize } = await import('sequelize');
    const sequelize = new Sequelize(process.env.PGDATABASE, process.env.PGUSER, '', {
      dialect: 'postgres',
      host: process.env.PGHOST,
      logging: false,
      pool: { max: 10 },
    });
    const User = sequelize.define('User', {
      id: { type: DataTypes.UUID, primaryKey: true },
      email: { type: DataTypes.STRING, allowNull: false },
      role: { type: DataTypes.STRING, allowNull: false },
      tokens: { type: DataTypes.DECIMAL(18, 3), allowNull: false },
    });
    return (id) => User.findByPk(id);
  },
  async pg() {
    const { default: pg } = await import('pg');
    const pool = new pg.Pool({ max: 10 });
    const text = 'SELECT id, email, role, tokens, "createdAt", "updatedAt" FROM "Users" WHERE id = $1';
    return async (id) => (await pool.query({ name: 'user', text, values: [id] })).rows[0];
  },
};

const readUser = await readers[process.argv[2]]();
const app = express();
app.use((request, response, next) => {
  const [scheme, token] = (request.get('authorization') ?? '').split(' ');
  if (scheme !== 'Bearer') {
    return response.status(401).json({ title: 'Not authenticated' });
  }
  jwt.verify(token, key, { algorithms: ['RS256'] }, (error, claims) => {
    if (error) {
      return response.status(401).json({ title: 'Not authenticated' });
    }
    request.user = claims.sub;
    return next();
  });
});
app.get('/api/v1/users/me', async (request, response) => {
  const user = await readUser(request.user);
  if (!user) {
    return response.status(401).json({ title: 'Not authenticated' });
  }
  return response.json(user);
});
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
