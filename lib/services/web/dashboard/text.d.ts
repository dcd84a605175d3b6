// The dashboard's files are embedded as text. Nothing else in the project is a .js file.
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.js" {
  const text: string;
  export default text;
}
