// Swagger UI on the document that this server serves. Who is signed in may try it out at once, by the
// cookie of the session; others by 'Authorize'.
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  filter: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});
