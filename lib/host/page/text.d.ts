// The files of the dashboard and of the panels on it are embedded as text. Nothing else in the project is a .js file.
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.js" {
  const text: string;
  export default text;
}
